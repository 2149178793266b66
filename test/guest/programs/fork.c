/* New processes: fork(2), vfork(2), clone(2) as fork, and waiting for them. */
#include "check.h"
#include <pthread.h>
#include <stdatomic.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int status_of(pid_t child) {
  int status = -1;
  pid_t ended = waitpid(child, &status, 0);
  return ended == child ? status : -1;
}

static void show_end(const char *what, int status) {
  if (WIFEXITED(status)) printf("%s: exit %d\n", what, WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) printf("%s: signal %d\n", what, WTERMSIG(status));
  else printf("%s: %d\n", what, status);
}

/* Every page of the child is its own, and vector registers and TLS are as they were. */
static void memory(void) {
  static volatile int word = 1;
  static _Thread_local volatile int local = 7;
  size_t bytes = 8 << 20;
  unsigned char *pages = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fill(pages, bytes);
  register double x asm("xmm9") = 2.5;
  asm volatile("" : "+x"(x));
  pid_t child = fork();
  asm volatile("" : "+x"(x));
  if (child == 0) {
    int good = word == 1 && local == 7 && filled(pages, bytes);
    word = 2;
    local = 8;
    memset(pages, 9, bytes);
    unsigned char *more = mmap(0, bytes * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fill(more, bytes * 8);
    good = good && all(pages, 9, bytes) && filled(more, bytes * 8);
    _exit(good && getpid() != getppid() ? 3 : 4);
  }
  show_end("child", status_of(child));
  OK(word == 1 && local == 7);
  OK(filled(pages, bytes));
  child = fork();
  if (child == 0) _exit(x == 2.5 ? 5 : 6);
  show_end("vector", status_of(child));
}

static void names(void) {
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) {
    int good = getppid() == parent && getpid() != parent && gettid() == getpid() && getpgrp() == getpgid(parent);
    good = good && setpgid(0, 0) == 0 && getpgrp() == getpid();
    _exit(good);
  }
  show_end("names", status_of(child));
  pid_t told = 0, set = 0;
  child = syscall(SYS_clone, SIGCHLD | 0x100000 | 0x1000000 | 0x200000, 0, &told, &set, 0);
  if (child == 0) _exit(set == getpid() && set == gettid());
  OK(told == child);
  OK(set == 0);
  show_end("clone", status_of(child));
  struct { uint64_t f, pidfd, child_tid, parent_tid, signal, stack, size, tls; } args = {.signal = SIGCHLD};
  child = syscall(SYS_clone3, &args, sizeof args);
  if (child == 0) _exit(11);
  show_end("clone3", status_of(child));
  child = vfork();
  if (child == 0) _exit(12);
  show_end("vfork", status_of(child));
}

static void files(void) {
  char byte;
  int to[2], from[2];
  SHOW(pipe(to));
  SHOW(pipe(from));
  FILE *file = tmpfile();
  int fd = fileno(file);
  SHOW(ftruncate(fd, 4096));
  volatile int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  *shared = 1;
  pid_t child = fork();
  if (child == 0) {
    close(to[1]);
    close(from[0]);
    while (read(to[0], &byte, 1) == 1) {
      byte++;
      if (write(from[1], &byte, 1) != 1) _exit(1);
    }
    *shared = 77;
    lseek(fd, 100, SEEK_SET);
    _exit(0);
  }
  close(to[0]);
  close(from[1]);
  for (int i = 0; i < 100; i++) {
    byte = i;
    if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1 || byte != i + 1) printf("byte %d: NO\n", i);
  }
  close(to[1]);
  SHOW(read(from[0], &byte, 1));
  show_end("files", status_of(child));
  SHOW(*shared);
  SHOW(lseek(fd, 0, SEEK_CUR));
}

static void waiting(void) {
  int status;
  SHOW(waitpid(-1, &status, WNOHANG));
  int hold[2];
  SHOW(pipe(hold));
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(hold[1]);
    _exit(read(hold[0], &byte, 1) == 0 ? 42 : 1);
  }
  SHOW(waitpid(child, &status, WNOHANG));
  close(hold[1]);
  struct rusage usage;
  memset(&usage, 255, sizeof usage);
  OK(wait4(child, &status, 0, &usage) == child);
  show_end("wait4", status);
  OK(usage.ru_utime.tv_sec == 0);
  child = fork();
  if (child == 0) _exit(43);
  siginfo_t info = {0};
  SHOW(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
  OK(info.si_pid == child && info.si_status == 43 && info.si_code == CLD_EXITED && info.si_signo == SIGCHLD);
  show_end("waited", status_of(child));
  SHOW(waitpid(child, &status, 0));
  int signals[] = {SIGKILL, SIGTERM, SIGUSR1, SIGSEGV, SIGABRT};
  for (unsigned i = 0; i < 5; i++) {
    child = fork();
    if (child == 0) {
      raise(signals[i]);
      for (;;) pause();
    }
    status = status_of(child);
    show_end("raised", status & ~0x80);
    child = fork();
    if (child == 0)
      for (;;) pause();
    kill(child, signals[i]);
    show_end("killed", status_of(child) & ~0x80);
  }
  child = fork();
  if (child == 0) *(volatile int *)0 = 1;
  show_end("fault", status_of(child) & ~0x80);
  child = fork();
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) _exit(9);
    show_end("grandchild", status_of(grandchild));
    fflush(stdout);
    _exit(10);
  }
  show_end("child", status_of(child));
}

static void orphan(void) {
  int ends[2];
  SHOW(pipe(ends));
  pid_t child = fork();
  if (child == 0) {
    pid_t self = getpid();
    if (fork() == 0) {
      while (getppid() == self) usleep(1000);
      if (write(ends[1], "o", 1) != 1) _exit(1);
      _exit(0);
    }
    _exit(0);
  }
  show_end("child", status_of(child));
  char byte = 0;
  SHOW(read(ends[0], &byte, 1));
  SHOW(byte);
}

/* Memory that stays shared over fork, and what waits in it. */
struct common {
  sem_t semaphore, answer;
  pthread_mutex_t mutex, robust;
  pthread_cond_t condition;
  pthread_barrier_t barrier;
  long count;
  int ready;
};

static void sharing(void) {
  int zero = open("/dev/zero", O_RDWR);
  long *first = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, zero, 0);
  size_t bytes = 9 << 20;
  unsigned char *large = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct common *common = mmap(0, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  OK(all(large, 0, bytes));
  fill(large, 1 << 20);
  sem_init(&common->semaphore, 1, 0);
  sem_init(&common->answer, 1, 0);
  pthread_mutexattr_t mutexes;
  pthread_mutexattr_init(&mutexes);
  pthread_mutexattr_setpshared(&mutexes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&common->mutex, &mutexes);
  pthread_mutexattr_setrobust(&mutexes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&common->robust, &mutexes);
  pthread_condattr_t conditions;
  pthread_condattr_init(&conditions);
  pthread_condattr_setpshared(&conditions, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(&common->condition, &conditions);
  pthread_barrierattr_t barriers;
  pthread_barrierattr_init(&barriers);
  pthread_barrierattr_setpshared(&barriers, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&common->barrier, &barriers, 4);
  pid_t children[3];
  for (int i = 0; i < 3; i++) {
    children[i] = fork();
    if (children[i]) continue;
    sem_wait(&common->semaphore);
    *first += 1;
    int good = filled(large, 1 << 20);
    large[bytes - 1 - i] = 7 + i;
    sem_post(&common->answer);
    pthread_barrier_wait(&common->barrier);
    for (int j = 0; j < 2000; j++) {
      pthread_mutex_lock(&common->mutex);
      common->count++;
      pthread_mutex_unlock(&common->mutex);
    }
    pthread_mutex_lock(&common->mutex);
    while (!common->ready) pthread_cond_wait(&common->condition, &common->mutex);
    pthread_mutex_unlock(&common->mutex);
    if (i == 2) pthread_mutex_lock(&common->robust);
    _exit(good ? i : 99);
  }
  for (int i = 0; i < 3; i++) {
    sem_post(&common->semaphore);
    sem_wait(&common->answer);
  }
  SHOW(*first);
  SHOW(large[bytes - 1] + large[bytes - 2] + large[bytes - 3]);
  pthread_barrier_wait(&common->barrier);
  usleep(10000);
  pthread_mutex_lock(&common->mutex);
  common->ready = 1;
  pthread_cond_broadcast(&common->condition);
  pthread_mutex_unlock(&common->mutex);
  for (int i = 0; i < 3; i++) show_end("child", status_of(children[i]));
  SHOW(common->count);
  OK(pthread_mutex_lock(&common->robust) == EOWNERDEAD);
  struct timespec soon;
  clock_gettime(CLOCK_REALTIME, &soon);
  soon.tv_nsec = (soon.tv_nsec + 20000000) % 1000000000;
  soon.tv_sec += soon.tv_nsec < 20000000;
  SHOW(sem_timedwait(&common->semaphore, &soon));
  SHOW(munmap(large, bytes));
}

/* Processes that are held by descriptors. */
static void pidfds(void) {
  pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  int fd = syscall(SYS_pidfd_open, child, 0);
  SHOW(fd >= 0 && fcntl(fd, F_GETFD));
  struct pollfd wait = {fd, POLLIN, 0};
  SHOW(poll(&wait, 1, 0));
  siginfo_t info = {0};
  SHOW(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG));
  SHOW(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0));
  SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, 0, 0));
  SHOW(poll(&wait, 1, 5000));
  SHOW(waitid(P_PIDFD, fd, &info, WEXITED));
  OK(info.si_pid == child && info.si_code == CLD_KILLED && info.si_status == SIGTERM);
  SHOW(waitid(P_PIDFD, fd, &info, WEXITED));
  SHOW(syscall(SYS_pidfd_send_signal, fd, SIGTERM, 0, 0));
  SHOW(syscall(SYS_pidfd_open, child, 0));
  SHOW(syscall(SYS_pidfd_open, -1, 0));
  SHOW(syscall(SYS_pidfd_open, getpid(), 1 << 20));
  SHOW(syscall(SYS_pidfd_send_signal, 0, SIGTERM, 0, 0));
}

static void looping(void) {
  int good = 0;
  for (int i = 0; i < 200; i++) {
    pid_t child = fork();
    if (child == 0) _exit(i & 127);
    int status = status_of(child);
    good += WIFEXITED(status) && WEXITSTATUS(status) == (i & 127);
  }
  SHOW(good);
}

static atomic_int stop;
static _Atomic long calls;

static void *busy(void *argument) {
  int kind = (int)(intptr_t)argument;
  char buffer[64];
  int ends[2];
  if (pipe(ends)) return 0;
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  while (!stop) {
    if (kind % 4 == 0) {
      if (write(ends[1], buffer, 64) != 64 || read(ends[0], buffer, 64) != 64) abort();
    } else if (kind % 4 == 1) {
      void *at = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      memset(at, 1, 1 << 16);
      munmap(at, 1 << 16);
    } else if (kind % 4 == 2) {
      pthread_mutex_lock(&mutex);
      int fd = open("/dev/null", O_RDONLY);
      close(fd);
      pthread_mutex_unlock(&mutex);
    } else {
      usleep(100);
    }
    calls++;
  }
  close(ends[0]);
  close(ends[1]);
  return 0;
}

static void threads(void) {
  pthread_t all_threads[8];
  for (intptr_t i = 0; i < 8; i++) pthread_create(&all_threads[i], 0, busy, (void *)i);
  int good = 0;
  for (int i = 0; i < 200; i++) {
    pid_t child = fork();
    if (child == 0) {
      /* Alone, with a working heap, and able to make threads itself. */
      void *block = malloc(100000);
      memset(block, 1, 100000);
      if (i % 20 == 0) {
        stop = 1;
        pthread_t thread;
        if (pthread_create(&thread, 0, busy, 0) || pthread_join(thread, 0)) _exit(1);
      }
      _exit(i & 63);
    }
    int status = status_of(child);
    good += WIFEXITED(status) && WEXITSTATUS(status) == (i & 63);
  }
  stop = 1;
  for (int i = 0; i < 8; i++) pthread_join(all_threads[i], 0);
  SHOW(good);
  OK(calls > 0);
}

TESTS({"memory", memory}, {"names", names}, {"files", files}, {"waiting", waiting}, {"orphan", orphan}, {"sharing", sharing}, {"pidfds", pidfds},
      {"looping", looping}, {"threads", threads})
