/* Timers that send signals, signals that queue, and descriptors that tell of signals. */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

static volatile int count;
static siginfo_t seen[64];

static void note(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  if (count < 64) seen[count] = *info;
  count++;
}

static void handle(int signal) {
  struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
  sigaction(signal, &action, NULL);
}

static sigset_t set_of(int first, int second) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, first);
  if (second) sigaddset(&set, second);
  return set;
}

static void wait_ms(int ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
  while (nanosleep(&time, &time) == -1) continue;
}

static const struct itimerspec SOON = {.it_value = {0, 20000000}};
static const struct itimerspec OFTEN = {{0, 10000000}, {0, 10000000}};
static const struct itimerspec NEVER;

static void creating(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  event.sigev_value.sival_ptr = (void *)0x123456789abcdef0;
  handle(SIGUSR1);
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  SHOW(timer_settime(timer, 0, &SOON, NULL));
  SHOW(pause());
  OK(count == 1 && seen[0].si_signo == SIGUSR1 && seen[0].si_code == SI_TIMER);
  OK(seen[0].si_value.sival_ptr == event.sigev_value.sival_ptr);
  SHOW(seen[0].si_overrun);
  struct itimerspec now;
  SHOW(timer_gettime(timer, &now));
  OK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0);
  struct itimerspec late = {{5, 0}, {1000, 0}};
  SHOW(timer_settime(timer, 0, &late, &now));
  SHOW(timer_gettime(timer, &now));
  OK(now.it_value.tv_sec >= 998 && now.it_interval.tv_sec == 5);
  SHOW(timer_delete(timer));
  SHOW(syscall(SYS_timer_delete, 0));
  SHOW(syscall(SYS_timer_getoverrun, 12));
  SHOW(syscall(SYS_timer_settime, 12, 0, &SOON, NULL));
  event.sigev_signo = 65;
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  event.sigev_signo = SIGUSR1;
  event.sigev_notify = 77;
  SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  event.sigev_notify = SIGEV_SIGNAL;
  SHOW(timer_create(CLOCK_MONOTONIC_RAW, &event, &timer));
  SHOW(syscall(SYS_timer_create, 99, &event, &timer));
  event.sigev_notify = SIGEV_THREAD_ID;
  event._sigev_un._tid = 1;
  SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  /* Without an event: SIGALRM, with the timer's number. */
  int id = -1;
  handle(SIGALRM);
  count = 0;
  SHOW(syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &id));
  SHOW(syscall(SYS_timer_settime, id, 0, &SOON, NULL));
  SHOW(pause());
  OK(seen[0].si_signo == SIGALRM && seen[0].si_value.sival_int == id);
  /* In the past: at once. */
  struct itimerspec past = {.it_value = {1, 0}};
  count = 0;
  SHOW(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &past, NULL));
  wait_ms(20);
  SHOW(count);
  past.it_value.tv_nsec = 1000000000;
  SHOW(syscall(SYS_timer_settime, id, 0, &past, NULL));
}

static void repeating(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
  handle(SIGRTMIN + 1);
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  SHOW(timer_settime(timer, 0, &OFTEN, NULL));
  while (count < 5) pause();
  /* Blocked, it counts; the signal waits once. */
  sigset_t set = set_of(SIGRTMIN + 1, 0);
  sigprocmask(SIG_BLOCK, &set, NULL);
  count = 0;
  wait_ms(120);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  OK(count >= 1);
  OK(seen[0].si_overrun >= 5);
  OK(timer_getoverrun(timer) >= 0);
  SHOW(timer_settime(timer, 0, &NEVER, NULL));
  /* Nothing is sent. */
  event.sigev_notify = SIGEV_NONE;
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  count = 0;
  SHOW(timer_settime(timer, 0, &SOON, NULL));
  wait_ms(40);
  SHOW(count);
  struct itimerspec now;
  SHOW(timer_gettime(timer, &now));
  OK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0);
}

/* In the middle of a computation, by the process's own time. */
static void computing(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
  handle(SIGUSR2);
  SHOW(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer));
  SHOW(timer_settime(timer, 0, &OFTEN, NULL));
  for (volatile unsigned long turns = 0; count < 3; turns++) continue;
  SHOW(seen[0].si_signo == SIGUSR2);
  SHOW(timer_delete(timer));
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  count = 0;
  SHOW(timer_settime(timer, 0, &OFTEN, NULL));
  for (volatile unsigned long turns = 0; count < 3; turns++) continue;
  SHOW(timer_delete(timer));
}

static sem_t fired;
static volatile long fired_value;

static void fire(union sigval value) {
  fired_value = value.sival_int;
  sem_post(&fired);
}

static volatile pid_t told;
static void tell(int signal) {
  (void)signal;
  told = gettid();
}

static void *linger(void *ready) {
  *(volatile pid_t *)ready = gettid();
  while (told == 0) wait_ms(1);
  return NULL;
}

static void threads(void) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = fire};
  event.sigev_value.sival_int = 4711;
  sem_init(&fired, 0, 0);
  SHOW(timer_create(CLOCK_REALTIME, &event, &timer));
  SHOW(timer_settime(timer, 0, &OFTEN, NULL));
  for (int i = 0; i < 3; i++) sem_wait(&fired);
  SHOW(fired_value);
  SHOW(timer_delete(timer));
  volatile pid_t other = 0;
  pthread_t thread;
  signal(SIGUSR1, tell);
  pthread_create(&thread, NULL, linger, (void *)&other);
  while (other == 0) wait_ms(1);
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGUSR1;
  event._sigev_un._tid = other;
  SHOW(timer_create(CLOCK_MONOTONIC, &event, &timer));
  SHOW(timer_settime(timer, 0, &SOON, NULL));
  pthread_join(thread, NULL);
  OK(told == other);
}

static void queueing(void) {
  sigset_t set = set_of(SIGRTMIN + 2, SIGRTMIN + 3);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  handle(SIGRTMIN + 2);
  handle(SIGRTMIN + 3);
  handle(SIGUSR1);
  union sigval value;
  for (int i = 0; i < 5; i++) {
    value.sival_int = 10 + i;
    SHOW(sigqueue(getpid(), SIGRTMIN + 3, value));
    value.sival_int = 20 + i;
    SHOW(sigqueue(getpid(), SIGRTMIN + 2, value));
    value.sival_int = 30 + i;
    SHOW(sigqueue(getpid(), SIGUSR1, value));
  }
  sigset_t pending;
  SHOW(sigpending(&pending));
  SHOW(sigismember(&pending, SIGRTMIN + 2));
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  SHOW(count);
  /* The handlers' frames nest: what was delivered last runs first. */
  for (int i = 0; i < count; i++)
    printf("%d: %d, code %d, value %d, own %d\n", i, seen[i].si_signo - SIGRTMIN, seen[i].si_code,
           seen[i].si_value.sival_int, seen[i].si_pid == getpid());
  sigprocmask(SIG_BLOCK, &set, NULL);
  for (int i = 0; i < 40; i++) {
    value.sival_int = i;
    sigqueue(getpid(), SIGRTMIN + 3, value);
    kill(getpid(), SIGRTMIN + 2);
  }
  int plain = 0, ordered = 1;
  for (int i = 0; i < 80; i++) {
    siginfo_t info;
    int signal = sigwaitinfo(&set, &info);
    if (signal == SIGRTMIN + 2) plain++;
    else if (info.si_value.sival_int != i - 40) ordered = 0;
  }
  SHOW(plain);
  OK(ordered);
  struct timespec none = {0, 0};
  SHOW(sigtimedwait(&set, NULL, &none));
  /* What the program may claim. */
  siginfo_t info = {.si_code = SI_QUEUE};
  info.si_pid = 17;
  info.si_value.sival_int = 5;
  SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info));
  SHOW(sigwaitinfo(&set, &info));
  OK(info.si_code == SI_QUEUE && info.si_value.sival_int == 5 && info.si_pid == 17);
  SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info));
  SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info));
  SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), 1, SIGUSR1, &info));
  info.si_code = SI_USER;
  SHOW(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
  SHOW(syscall(SYS_rt_sigqueueinfo, 0x3fffffff, SIGUSR1, &info));
}

static void describe(int fd) {
  struct signalfd_siginfo info[8];
  ssize_t bytes = read(fd, info, sizeof info);
  show("read", bytes == -1 ? -1 : bytes / (ssize_t)sizeof *info);
  for (int i = 0; bytes > 0 && i < bytes / (ssize_t)sizeof *info; i++)
    printf("signal %d, code %d, value %d, own %d\n", info[i].ssi_signo, info[i].ssi_code,
           info[i].ssi_int, info[i].ssi_pid == (unsigned)getpid());
}

static void descriptors(void) {
  sigset_t set = set_of(SIGUSR1, SIGRTMIN + 4);
  sigaddset(&set, SIGCHLD);
  handle(SIGRTMIN + 4); /* Has a handler, and is blocked all the same. */
  sigprocmask(SIG_BLOCK, &set, NULL);
  kill(getpid(), SIGUSR1);
  union sigval value = {.sival_int = 42};
  sigqueue(getpid(), SIGRTMIN + 4, value); /* Before there is a descriptor. */
  int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  TRY(fd);
  struct pollfd poll_for = {.fd = fd, .events = POLLIN};
  SHOW(poll(&poll_for, 1, 0));
  describe(fd);
  describe(fd);
  SHOW(poll(&poll_for, 1, 0));
  value.sival_int++;
  sigqueue(getpid(), SIGRTMIN + 4, value);
  value.sival_int++;
  sigqueue(getpid(), SIGRTMIN + 4, value);
  raise(SIGUSR1);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = 7};
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
  SHOW(epoll_wait(epoll, &event, 1, 1000));
  describe(fd);
  SHOW(count);
  /* A timer tells the descriptor. */
  timer_t timer;
  struct sigevent sends = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4};
  sends.sigev_value.sival_int = 99;
  SHOW(timer_create(CLOCK_MONOTONIC, &sends, &timer));
  SHOW(timer_settime(timer, 0, &SOON, NULL));
  SHOW(epoll_wait(epoll, &event, 1, 5000));
  describe(fd);
  /* Unblocked, the handler gets them again. */
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  sigqueue(getpid(), SIGRTMIN + 4, value);
  SHOW(count);
  describe(fd);
  set = set_of(SIGUSR2, 0);
  SHOW(signalfd(fd, &set, 0) == fd);
  SHOW(signalfd(900, &set, 0));
  SHOW(signalfd(1, &set, 0));
  SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0));
  SHOW(syscall(SYS_signalfd4, -1, &set, 8, 1));
}

static void masks(void) {
  /* ppoll(2) and its kin wait with another mask. */
  handle(SIGUSR1);
  sigset_t set = set_of(SIGUSR1, 0), none;
  sigemptyset(&none);
  sigprocmask(SIG_BLOCK, &set, NULL);
  kill(getpid(), SIGUSR1);
  int pipes[2];
  SHOW(pipe(pipes));
  struct pollfd poll_for = {.fd = pipes[0], .events = POLLIN};
  struct timespec while_ = {5, 0};
  SHOW(ppoll(&poll_for, 1, &while_, &none));
  SHOW(count);
  sigset_t now;
  sigprocmask(SIG_SETMASK, NULL, &now);
  SHOW(sigismember(&now, SIGUSR1));
  kill(getpid(), SIGUSR1);
  fd_set fds;
  FD_ZERO(&fds);
  FD_SET(pipes[0], &fds);
  SHOW(pselect(pipes[0] + 1, &fds, NULL, NULL, &while_, &none));
  SHOW(count);
  kill(getpid(), SIGUSR1);
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  SHOW(epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[0], &event));
  SHOW(epoll_pwait(epoll, &event, 1, 5000, &none));
  SHOW(count);
  kill(getpid(), SIGUSR1);
  SHOW(syscall(SYS_epoll_pwait2, epoll, &event, 1, &while_, &none, 8));
  SHOW(count);
  SHOW(syscall(SYS_ppoll, &poll_for, 1, &while_, &none, 7));
  struct timespec soon = {0, 1000000};
  SHOW(syscall(SYS_epoll_pwait2, epoll, &event, 1, &soon, NULL, 8));
  SHOW(ppoll(&poll_for, 1, &soon, &set));
  kill(getpid(), SIGUSR1);
  SHOW(write(pipes[1], "x", 1));
  SHOW(ppoll(&poll_for, 1, &while_, &set));
  SHOW(count);
  timer_t timer;
  struct sigevent sends = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
  handle(SIGUSR2);
  set = set_of(SIGUSR2, 0);
  sigprocmask(SIG_BLOCK, &set, NULL);
  char byte;
  SHOW(read(pipes[0], &byte, 1));
  SHOW(timer_create(CLOCK_MONOTONIC, &sends, &timer));
  SHOW(timer_settime(timer, 0, &SOON, NULL));
  sigprocmask(SIG_SETMASK, NULL, &now);
  sigdelset(&now, SIGUSR2);
  SHOW(ppoll(&poll_for, 1, &while_, &now));
  SHOW(count);
}

TESTS({"creating", creating}, {"repeating", repeating}, {"computing", computing},
      {"threads", threads}, {"queueing", queueing}, {"descriptors", descriptors},
      {"masks", masks})
