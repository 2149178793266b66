/* Children that use their parent's memory until they execute a program: vfork(2), posix_spawn(3). */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;
static char *self;

static int status_of(pid_t child) {
  int status = -1;
  return waitpid(child, &status, 0) == child ? status : -1;
}

static volatile int shared;

static void handler(int signal) { (void)signal; }

/* What the child writes the parent reads, and the parent waits for it. */
static void memory(void) {
  volatile int local = 1;
  pid_t parent = getpid();
  pid_t child = vfork();
  if (child == 0) {
    usleep(20000);
    local = getpid() != parent && getppid() == parent && gettid() == getpid() ? 2 : 3;
    shared = 77;
    _exit(5);
  }
  SHOW(local);
  SHOW(shared);
  OK(getpid() == parent && gettid() == parent);
  SHOW(status_of(child));
  /* Memory that the child maps stays. */
  static char *volatile mapped;
  child = vfork();
  if (child == 0) {
    mapped = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(mapped, 9, 1 << 20);
    _exit(0);
  }
  OK(all(mapped, 9, 1 << 20));
  SHOW(status_of(child));
  /* One after the other, and one that executes what is not there. */
  for (volatile int i = 0; i < 20; i++) {
    child = vfork();
    if (child == 0) {
      if (i % 2) {
        execl("/no/such/program", "x", (char *)0);
        shared = errno;
      }
      _exit(i);
    }
    if (status_of(child) != i << 8 || (i % 2 && shared != ENOENT)) printf("%d: NO\n", i);
  }
}

/* What is a process's own is the child's. */
static void own(void) {
  int ends[2];
  SHOW(pipe(ends));
  sigset_t mask;
  signal(SIGUSR1, handler);
  umask(022);
  struct rlimit limit = {50, 100};
  pid_t child = vfork();
  if (child == 0) {
    close(ends[0]);
    dup2(ends[1], 9);
    if (chdir("/") || setsid() < 0) _exit(1);
    umask(0777);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, handler);
    sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, 0);
    prctl(PR_SET_NAME, "child");
    setrlimit(RLIMIT_NOFILE, &limit);
    if (write(9, "x", 1) != 1 || open("/dev/null", O_RDONLY) < 0) _exit(2);
    _exit(0);
  }
  SHOW(status_of(child));
  char byte = 0;
  SHOW(read(ends[0], &byte, 1));
  SHOW(fcntl(9, F_GETFD));
  SHOW(fcntl(ends[0], F_GETFD));
  OK(getsid(0) != getpid());
  SHOW(umask(022));
  struct sigaction action;
  sigaction(SIGUSR1, 0, &action);
  OK(action.sa_handler == handler);
  sigaction(SIGUSR2, 0, &action);
  OK(action.sa_handler == SIG_DFL);
  sigprocmask(SIG_SETMASK, 0, &mask);
  OK(!sigismember(&mask, SIGUSR2));
  char name[16], place[4096];
  prctl(PR_GET_NAME, name);
  SHOW(strcmp(name, "child") != 0);
  getrlimit(RLIMIT_NOFILE, &limit);
  OK(limit.rlim_max > 100);
  OK(strcmp(getcwd(place, sizeof place), "/") != 0);
  SHOW(open("/dev/null", O_RDONLY));
}

static int spawned(const char *file, char *argument, posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes) {
  pid_t child = -1;
  fflush(stdout);
  int error = posix_spawnp(&child, file, actions, attributes, (char *[]){(char *)file, argument, 0}, environ);
  if (error) return -error;
  return status_of(child);
}

static void spawning(void) {
  SHOW(spawned(self, "code", 0, 0));
  SHOW(-spawned("/no/such/program", "x", 0, 0) == ENOENT);
  SHOW(-spawned("/etc", "x", 0, 0) == EACCES);
  SHOW(-spawned("no-such-name", "x", 0, 0) == ENOENT);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 7, "out", O_CREAT | O_WRONLY, 0644);
  posix_spawn_file_actions_adddup2(&actions, 7, 8);
  posix_spawn_file_actions_addclose(&actions, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  posix_spawnattr_setsigmask(&attributes, &set);
  posix_spawnattr_setsigdefault(&attributes, &set);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
  SHOW(spawned(self, "look", &actions, &attributes));
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  SHOW(spawned(self, "look", 0, &attributes));
  posix_spawn_file_actions_addopen(&actions, 5, "/no/such/file", O_RDONLY, 0);
  SHOW(-spawned(self, "look", &actions, 0) == ENOENT);
  FILE *pipe = popen("echo from a shell", "r");
  char line[100];
  fputs(fgets(line, sizeof line, pipe), stdout);
  SHOW(pclose(pipe));
  SHOW(system("exit 7"));
  SHOW(system("kill -9 $$"));
}

static void look(void) {
  sigset_t set;
  sigprocmask(SIG_BLOCK, 0, &set);
  for (int i = 1; i < 32; i++) {
    struct sigaction action;
    if (sigismember(&set, i)) printf("%d is blocked\n", i);
    if (!sigaction(i, 0, &action) && action.sa_handler == SIG_IGN) printf("%d is ignored\n", i);
  }
  for (int fd = 0; fd < 20; fd++)
    if (fcntl(fd, F_GETFD) != -1) printf("%d is open\n", fd);
  SHOW(getsid(0) == getpid());
  SHOW(getpgrp() == getpid());
}

static void code(void) { exit(42); }

static atomic_int stop;
static _Atomic long turns;

static void *busy(void *argument) {
  int ends[2];
  char byte = 0;
  if (pipe(ends)) abort();
  while (!stop) {
    if (write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) abort();
    free(malloc(1000));
    turns++;
    if (argument) usleep(100);
  }
  return 0;
}

/* From several threads at once, while others work. */
static void *spawns(void *argument) {
  long good = 0;
  for (int i = 0; i < 10; i++) good += spawned(self, "code", 0, 0) == 42 << 8;
  return argument ? 0 : (void *)good;
}

static void threads(void) {
  pthread_t others[4], all_threads[3];
  for (intptr_t i = 0; i < 4; i++) pthread_create(&others[i], 0, busy, (void *)(i & 1));
  for (int i = 0; i < 3; i++) pthread_create(&all_threads[i], 0, spawns, 0);
  for (int i = 0; i < 3; i++) {
    void *good;
    pthread_join(all_threads[i], &good);
    SHOW((long)good);
  }
  stop = 1;
  for (int i = 0; i < 4; i++) pthread_join(others[i], 0);
  OK(turns > 0);
}

/* The child is killed, in the program and in a call. */
static void killed(void) {
  for (volatile int i = 0; i < 6; i++) {
    int ends[2], told[2];
    if (pipe(ends) || pipe(told)) abort();
    pid_t killer = fork();
    if (killer == 0) {
      pid_t victim;
      if (read(ends[0], &victim, sizeof victim) != sizeof victim) _exit(1);
      usleep(30000);
      _exit(kill(victim, i == 5 ? SIGTERM : SIGKILL) != 0);
    }
    pid_t child = vfork();
    if (child == 0) {
      pid_t id = getpid();
      char byte;
      if (write(ends[1], &id, sizeof id) != sizeof id) _exit(1);
      switch (i) {
      case 0: for (;;) shared++;
      case 1: _exit((int)read(told[0], &byte, 1));
      case 2: for (;;) usleep(1000);
      case 3: for (;;) pause();
      case 4: for (;;) getppid();
      default: execl(self, self, "sleep", (char *)0);
      }
    }
    SHOW(status_of(child));
    SHOW(status_of(killer));
  }
  pid_t child = vfork();
  if (child == 0) {
    *(volatile int *)0 = 1;
    _exit(0);
  }
  SHOW(status_of(child) & 0x7f);
}

static void sleeping(void) { sleep(100); }

/* A parent that does so for ever does not grow. */
static void looping(void) {
  long before = 0;
  for (int i = 0; i < 300; i++) {
    if (spawned(self, "code", 0, 0) != 42 << 8) printf("%d: NO\n", i);
    if (i == 100 || i == 299) {
      struct rusage usage;
      getrusage(RUSAGE_SELF, &usage);
      if (i == 100) before = usage.ru_maxrss;
      else OK(usage.ru_maxrss < before + 1000);
    }
  }
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"memory", memory}, {"own", own}, {"spawning", spawning}, {"look", look}, {"code", code},
    {"threads", threads}, {"killed", killed}, {"sleep", sleeping}, {"looping", looping}};
  setvbuf(stdout, 0, _IOLBF, 0);
  self = realpath(argv[0], 0);
  for (size_t i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++)
    if (!strcmp(argv[1], tests[i].name)) {
      tests[i].run();
      return 0;
    }
  return 2;
}
