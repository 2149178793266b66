/* What execve(2) keeps and what it resets: a table of attributes, each set, and looked at by the next program. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>

static void nothing(int signal) { (void)signal; }

static long set_personality(void) { return personality(ADDR_NO_RANDOMIZE | PER_LINUX32); }
static long get_personality(void) { return personality(0xffffffff); }
static long set_slack(void) { return prctl(PR_SET_TIMERSLACK, 12345); }
static long get_slack(void) { return prctl(PR_GET_TIMERSLACK); }
static long set_umask(void) { return umask(0137); }
static long get_umask(void) { return umask(0); }
static long set_nice(void) { return setpriority(PRIO_PROCESS, 0, 7); }
static long get_nice(void) { return getpriority(PRIO_PROCESS, 0); }
static long set_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1); }
static long get_subreaper(void) {
  int value = -1;
  return prctl(PR_GET_CHILD_SUBREAPER, &value) ? -1 : value;
}
static long set_death(void) { return prctl(PR_SET_PDEATHSIG, SIGUSR2); }
static long get_death(void) {
  int value = -1;
  return prctl(PR_GET_PDEATHSIG, &value) ? -1 : value;
}
static long set_dumpable(void) { return prctl(PR_SET_DUMPABLE, 0); }
static long get_dumpable(void) { return prctl(PR_GET_DUMPABLE); }
static long set_keepcaps(void) { return prctl(PR_SET_KEEPCAPS, 1); }
static long get_keepcaps(void) { return prctl(PR_GET_KEEPCAPS); }
static long set_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
static long get_privileges(void) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }
static long set_name(void) { return prctl(PR_SET_NAME, "another"); }
static long get_name(void) {
  char name[16] = "";
  prctl(PR_GET_NAME, name);
  return strcmp(name, "another") == 0;
}
static long set_limit(void) { return setrlimit(RLIMIT_CORE, &(struct rlimit){0, 4096}); }
static long get_limit(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_CORE, &limit) ? -1 : (long)(limit.rlim_cur + limit.rlim_max);
}
static long set_group(void) { return setpgid(0, 0); }
static long get_group(void) { return getpgrp() == getpid(); }
static long set_directory(void) { return chdir("/"); }
static long get_directory(void) {
  char path[4096];
  return getcwd(path, sizeof path) && strcmp(path, "/") == 0;
}
static long set_affinity(void) {
  cpu_set_t set;
  sched_getaffinity(0, sizeof set, &set);
  for (int cpu = 0, kept = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set) && kept++) CPU_CLR(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set);
}
static long get_affinity(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? -1 : CPU_COUNT(&set);
}
static long set_handler(void) { return signal(SIGUSR1, nothing) == SIG_ERR ? -1 : 0; }
static long get_handler(void) {
  struct sigaction action;
  return sigaction(SIGUSR1, 0, &action) ? -1 : action.sa_handler == SIG_DFL;
}
static long set_ignored(void) { return signal(SIGUSR2, SIG_IGN) == SIG_ERR ? -1 : 0; }
static long get_ignored(void) {
  struct sigaction action;
  return sigaction(SIGUSR2, 0, &action) ? -1 : action.sa_handler == SIG_IGN;
}
static long set_pending(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  return sigprocmask(SIG_BLOCK, &set, 0) || raise(SIGHUP);
}
static long get_pending(void) {
  sigset_t mask, pending;
  sigprocmask(SIG_BLOCK, 0, &mask);
  sigpending(&pending);
  return sigismember(&mask, SIGHUP) * 2 + sigismember(&pending, SIGHUP);
}
static long set_stack(void) {
  static char stack[65536];
  return sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, 0);
}
static long get_stack(void) {
  stack_t stack;
  return sigaltstack(0, &stack) ? -1 : stack.ss_flags;
}
static long set_alarm(void) { return alarm(1000); }
static long get_alarm(void) { return alarm(0) > 900; }
static long set_interval(void) { return setitimer(ITIMER_VIRTUAL, &(struct itimerval){{0, 0}, {900, 0}}, 0); }
static long get_interval(void) {
  struct itimerval timer;
  return getitimer(ITIMER_VIRTUAL, &timer) ? -1 : timer.it_value.tv_sec > 800;
}
static timer_t timer;
static long set_timer(void) { return timer_create(CLOCK_MONOTONIC, &(struct sigevent){.sigev_notify = SIGEV_NONE}, &timer); }
static long get_timer(void) { return timer_delete((timer_t)0); }
static long set_rounding(void) {
  unsigned control = 0x7f80;
  __asm__ volatile("ldmxcsr %0" ::"m"(control));
  return 0;
}
static long get_rounding(void) {
  unsigned control;
  __asm__ volatile("stmxcsr %0" : "=m"(control));
  return control & 0xffc0;
}
/* Descriptors, always at the same numbers. */
static long at(int number, int fd) { return fd < 0 || dup2(fd, number) != number || close(fd); }
static long set_event(void) { return at(100, eventfd(7, 0)); }
static long get_event(void) {
  eventfd_t value = 0;
  return eventfd_read(100, &value) ? -1 : (long)value;
}
static long set_clock(void) {
  return at(101, timerfd_create(CLOCK_MONOTONIC, 0)) || timerfd_settime(101, 0, &(struct itimerspec){{0, 0}, {900, 0}}, 0);
}
static long get_clock(void) {
  struct itimerspec time;
  return timerfd_gettime(101, &time) ? -1 : time.it_value.tv_sec > 800;
}
static long set_watch(void) {
  struct epoll_event event = {.events = EPOLLIN, .data.u32 = 5};
  return at(102, epoll_create1(0)) || at(103, eventfd(1, 0)) || epoll_ctl(102, EPOLL_CTL_ADD, 103, &event);
}
static long get_watch(void) {
  struct epoll_event event;
  return epoll_wait(102, &event, 1, 0) == 1 ? (long)event.data.u32 : -1;
}
static long set_closing(void) { return at(104, eventfd(0, 0)) || fcntl(104, F_SETFD, FD_CLOEXEC); }
static long get_closing(void) { return fcntl(104, F_GETFD); }
static long set_lock(void) {
  struct flock lock = {.l_type = F_WRLCK};
  return at(105, open("lock", O_RDWR | O_CREAT, 0600)) || fcntl(105, F_SETLK, &lock);
}
static long get_lock(void) {
  struct flock lock = {.l_type = F_WRLCK};
  pid_t child = fork();
  if (child == 0) _exit(fcntl(105, F_GETLK, &lock) ? 99 : lock.l_type == F_WRLCK && lock.l_pid == getppid());
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}
static long set_segment(void) {
  char number[16];
  int id = shmget(IPC_PRIVATE, 4096, 0600);
  snprintf(number, sizeof number, "%d", id);
  setenv("SEGMENT", number, 1);
  return shmat(id, 0, 0) == (void *)-1 ? -1 : 0;
}
static long get_segment(void) {
  struct shmid_ds state;
  int id = atoi(getenv("SEGMENT"));
  long attached = shmctl(id, IPC_STAT, &state) ? -1 : (long)state.shm_nattch;
  shmctl(id, IPC_RMID, 0);
  return attached;
}
static long set_locked(void) { return mlockall(MCL_CURRENT); }
static long get_thread(void) { return gettid() == getpid(); }
static long set_robust(void) { return syscall(SYS_set_robust_list, 0, 24) + 1; }
static long get_robust(void) {
  void *head = (void *)1;
  size_t bytes = 0;
  return syscall(SYS_get_robust_list, 0, &head, &bytes) ? -1 : (long)bytes;
}

static const struct attribute {
  const char *name;
  long (*set)(void), (*get)(void);
} attributes[] = {
  {"personality(2)", set_personality, get_personality},
  {"timer slack", set_slack, get_slack},
  {"umask", set_umask, get_umask},
  {"nice value", set_nice, get_nice},
  {"subreaper", set_subreaper, get_subreaper},
  {"death signal", set_death, get_death},
  {"dumpable", set_dumpable, get_dumpable},
  {"capabilities over setuid", set_keepcaps, get_keepcaps},
  {"no new privileges", set_privileges, get_privileges},
  {"name", set_name, get_name},
  {"limit", set_limit, get_limit},
  {"process group", set_group, get_group},
  {"directory", set_directory, get_directory},
  {"processors", set_affinity, get_affinity},
  {"handler", set_handler, get_handler},
  {"ignored signal", set_ignored, get_ignored},
  {"blocked and pending signal", set_pending, get_pending},
  {"alternate stack", set_stack, get_stack},
  {"alarm", set_alarm, get_alarm},
  {"interval timer", set_interval, get_interval},
  {"timer", set_timer, get_timer},
  {"rounding of numbers", set_rounding, get_rounding},
  {"eventfd", set_event, get_event},
  {"timerfd", set_clock, get_clock},
  {"epoll", set_watch, get_watch},
  {"descriptor that closes", set_closing, get_closing},
  {"lock of a file", set_lock, get_lock},
  {"shared segment", set_segment, get_segment},
  {"thread", set_locked, get_thread},
  {"robust list", set_robust, get_robust},
};

enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };

static const char *self;

static void after(int i) { printf("%ld\n", attributes[i].get()); }

/* Each in a process of its own. */
static void exec(void) {
  char number[8];
  for (int i = 0; i < ATTRIBUTES; i++) {
    fflush(stdout);
    snprintf(number, sizeof number, "%d", i);
    pid_t child = fork();
    if (child == 0) {
      printf("%s: set %ld, then ", attributes[i].name, attributes[i].set());
      fflush(stdout);
      execl(self, self, number, (char *)0);
      _exit(99);
    }
    int status = -1;
    waitpid(child, &status, 0);
    if (status) printf("%s: status %d\n", attributes[i].name, status);
  }
}

/* A robust lock that other processes share is given up by exec. */
static void locks(void) {
  struct { pthread_mutex_t mutex; } *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t kind;
  pthread_mutexattr_init(&kind);
  pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&shared->mutex, &kind);
  int ends[2], more[2];
  SHOW(pipe(ends) + pipe(more));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    pthread_mutex_lock(&shared->mutex);
    execl("/no/such", "such", (char *)0);
    /* Still held. */
    if (write(more[1], "x", 1) != 1 || read(ends[0], &child, 1) != 1) _exit(98);
    char number[8];
    snprintf(number, sizeof number, "%d", ends[0]);
    execl(self, self, "reads", number, (char *)0);
    _exit(99);
  }
  char byte;
  SHOW(read(more[0], &byte, 1));
  SHOW(pthread_mutex_trylock(&shared->mutex) == EBUSY);
  SHOW(write(ends[1], "x", 1));
  SHOW(pthread_mutex_lock(&shared->mutex) == EOWNERDEAD);
  SHOW(kill(child, 0));
  SHOW(write(ends[1], "x", 1));
  int status;
  SHOW(waitpid(child, &status, 0) == child);
  SHOW(status);
}

/* clone(2) with CLONE_VFORK alone: memory is the child's own, but the parent waits. */
static void waits(void) {
  int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), own = 1;
  const struct timespec while_it_runs = {0, 50000000};
  signal(SIGUSR1, nothing);
  for (int how = 0; how < 3; how++) {
    fflush(stdout);
    *shared = 0;
    pid_t child = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
      own = 2;
      kill(getppid(), SIGUSR1);
      nanosleep(&while_it_runs, 0);
      *shared = 1;
      if (how == 0) _exit(7);
      if (how == 1) kill(getpid(), SIGKILL);
      execl(self, self, "ends", (char *)0);
    }
    SHOW(*shared);
    SHOW(own);
    int status;
    SHOW(waitpid(child, &status, 0) == child);
    SHOW(status);
  }
}

int main(int argc, char **argv) {
  self = realpath("/proc/self/exe", 0);
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  if (argc < 2) return 2;
  if (strcmp(argv[1], "exec") == 0) exec();
  else if (strcmp(argv[1], "locks") == 0) locks();
  else if (strcmp(argv[1], "waits") == 0) waits();
  else if (strcmp(argv[1], "ends") == 0) return 5;
  else if (strcmp(argv[1], "reads") == 0) return read(atoi(argv[2]), &argc, 1) == 1 ? 6 : 7;
  else after(atoi(argv[1]));
  fflush(stdout);
  return 0;
}
