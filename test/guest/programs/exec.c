/* execve(2): what a program is given, what the process keeps and loses, and what cannot be executed. */
#include "check.h"
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;
static const char *self;

static int status_of(pid_t child) {
  int status = -1;
  return waitpid(child, &status, 0) == child ? status : -1;
}

/* Runs this program again with a test of its own. */
static void again(const char *test) {
  fflush(stdout);
  execl(self, self, test, (char *)0);
  printf("%s: %s\n", test, strerrorname_np(errno));
}

/* ... in a child. */
static void in_child(const char *test) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    again(test);
    _exit(99);
  }
  SHOW(status_of(child));
}

static int count;
static char **arguments;

static void arguments_seen(void) {
  for (int i = 0; i < count && i < 8; i++) printf("argument %d: %.40s\n", i, arguments[i]);
  for (int i = 0; environ[i] && i < 4; i++) printf("environment: %.40s\n", environ[i]);
  printf("%d arguments\n", count);
}

static void given(void) {
  char *lists[][6] = {{(char *)self, "seen", 0}, {"another name", "seen", "", "two words", "\xff\n", 0}};
  char *variables[][4] = {{0}, {"A=1", "B", "=", 0}};
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++) {
      fflush(stdout);
      pid_t child = fork();
      if (child == 0) {
        execve(self, lists[i], variables[j]);
        _exit(99);
      }
      SHOW(status_of(child));
    }
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    syscall(SYS_execve, self, 0, 0);
    _exit(98);
  }
  SHOW(status_of(child));
}

/* Arguments as long and as many as Linux takes, and one more. */
static void large(void) {
  size_t longest = 32 * 4096;
  char *big = malloc(longest + 1);
  memset(big, 'x', longest);
  big[longest - 1] = 0;
  char *one[] = {(char *)self, "lengths", big, 0};
  pid_t child = fork();
  if (child == 0) _exit(execv(self, one) ? errno : 0);
  SHOW(status_of(child));
  big[longest - 1] = 'x';
  big[longest] = 0;
  SHOW(execv(self, one));
  int many = 15;
  char *list[400000] = {(char *)self, "lengths"};
  big[longest - 1] = 0;
  for (int i = 0; i < many; i++) list[2 + i] = big;
  list[2 + many] = 0;
  child = fork();
  if (child == 0) _exit(execv(self, list) ? errno : 0);
  SHOW(status_of(child));
  list[2 + many] = big;
  list[3 + many] = 0;
  SHOW(execv(self, list));
  for (int i = 2; i < 100000; i++) list[i] = "y";
  list[100000] = 0;
  child = fork();
  if (child == 0) _exit(execv(self, list) ? errno : 0);
  SHOW(status_of(child));
  for (int i = 2; i < 300000; i++) list[i] = "y";
  list[300000] = 0;
  SHOW(execv(self, list));
}

static void lengths(void) {
  long sum = 0;
  for (int i = 2; i < count; i++) sum += strlen(arguments[i]);
  printf("%d, %ld\n", count, sum);
}

static void write_file(const char *name, const char *text, int mode) {
  int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0700);
  if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) abort();
  fchmod(fd, mode);
  close(fd);
}

static void tried(const char *name) {
  char *list[] = {"name", "seen", "last", 0};
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    execve(name, list, environ);
    printf("%.60s: %s\n", name, strerrorname_np(errno));
    fflush(stdout);
    _exit(1);
  }
  SHOW(status_of(child));
}

static void errors(void) {
  char text[400];
  write_file("plain", "no program", 0755);
  write_file("none", "", 0755);
  write_file("mode", "#!/bin/true\n", 0644);
  write_file("missing", "#!/no/such/interpreter\n", 0755);
  write_file("folder", "#!/bin\n", 0755);
  write_file("text", "#!plain\n", 0755);
  write_file("half", "\177ELF\2\1\1", 0755);
  mkdir("directory", 0755);
  symlink("loop", "loop");
  mkfifo("fifo", 0755);
  snprintf(text, sizeof text, "#!%s seen\n", self);
  write_file("script", text, 0755);
  snprintf(text, sizeof text, "#!%s", self);
  write_file("bare", text, 0755);
  write_file("second", "#!script one\n", 0755);
  write_file("endless", "#!endless\n", 0755);
  symlink("script", "link");
  const char *names[] = {"plain", "none", "mode", "missing", "folder", "text", "half", "directory", "directory/", "loop",
                         "fifo", "absent", "", "plain/x", "/dev/null", "endless", "script", "second", "link", "./script"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) tried(names[i]);
  SHOW(syscall(SYS_execve, 8, 0, 0));
  SHOW(syscall(SYS_execve, "script", 8, 0));
  SHOW(execve("script", (char *[]){"a", (char *)8, 0}, environ));
  SHOW(syscall(SYS_execve, "script", (char *[]){"a", 0}, 8));
  memset(text, 'a', 300);
  text[300] = 0;
  SHOW(execve(text, (char *[]){0}, environ));
  /* Open for writing. */
  int fd = open("script", O_WRONLY);
  tried("script");
  close(fd);
  tried("script");
}

static void at(void) {
  char text[400];
  snprintf(text, sizeof text, "#!%s seen\n", self);
  mkdir("d", 0755);
  write_file("d/script", text, 0755);
  symlink("script", "d/link");
  int directory = open("d", O_RDONLY | O_DIRECTORY), script = open("d/script", O_RDONLY);
  int cloexec = open("d/script", O_RDONLY | O_CLOEXEC), path = open(self, O_PATH | O_CLOEXEC);
  struct { int fd; const char *name; int flags; } all[] = {
    {directory, "script", 0}, {directory, "link", 0}, {directory, "link", AT_SYMLINK_NOFOLLOW}, {script, "", AT_EMPTY_PATH},
    {script, "", 0}, {cloexec, "", AT_EMPTY_PATH}, {path, "", AT_EMPTY_PATH}, {-1, "script", 0}, {-1, "/d/script", 0}, {AT_FDCWD, "d/script", 0},
    {directory, "script", 0x40000}, {directory, "", AT_EMPTY_PATH}, {100, "script", 0},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    char *list[] = {"name", "seen", "last", 0};
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      syscall(SYS_execveat, all[i].fd, all[i].name, list, environ, all[i].flags);
      int error = errno;
      printf("%zu: %s\n", i, strerrorname_np(error));
      fflush(stdout);
      _exit(1);
    }
    SHOW(status_of(child));
  }
}

static void handler(int signal) { (void)signal; }

/* What the next program finds. */
static void kept(void) {
  sigset_t mask, pending;
  sigprocmask(SIG_BLOCK, 0, &mask);
  sigpending(&pending);
  for (int i = 1; i <= 64; i++) {
    struct sigaction action;
    if (sigaction(i, 0, &action)) continue;
    if (action.sa_handler != SIG_DFL || action.sa_flags & ~0x4000000) printf("signal %d: %s %x\n", i, action.sa_handler == SIG_IGN ? "ignored" : "handled", action.sa_flags & ~0x4000000);
    if (sigismember(&mask, i)) printf("signal %d is blocked\n", i);
    if (sigismember(&pending, i)) printf("signal %d waits\n", i);
  }
  stack_t stack;
  sigaltstack(0, &stack);
  SHOW(stack.ss_flags);
  struct itimerval timer;
  getitimer(ITIMER_REAL, &timer);
  OK(timer.it_value.tv_sec > 50);
  SHOW(timer_delete((timer_t)0));
  SHOW(umask(0));
  char directory[4096];
  OK(strstr(getcwd(directory, sizeof directory), "/place") != 0);
  for (int fd = 3; fd < 30; fd++)
    if (fcntl(fd, F_GETFD) != -1) printf("descriptor %d is open, flags %d, at %ld\n", fd, fcntl(fd, F_GETFD), (long)lseek(fd, 0, SEEK_CUR));
  struct rlimit limit;
  int limits[] = {RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_FSIZE};
  for (int i = 0; i < 5; i++) {
    getrlimit(limits[i], &limit);
    printf("limit %d: %ld %ld\n", limits[i], (long)limit.rlim_cur, (long)limit.rlim_max);
  }
  char name[16];
  prctl(PR_GET_NAME, name);
  SHOW(name[0] == 'e' && name[1] == 'x');
  SHOW(prctl(PR_GET_DUMPABLE));
  SHOW(prctl(PR_GET_KEEPCAPS));
  SHOW(prctl(PR_GET_TIMERSLACK));
  int signal = -1;
  SHOW(prctl(PR_GET_PDEATHSIG, &signal));
  SHOW(signal);
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(getauxval(AT_SECURE));
  OK(getpid() == atoi(getenv("PID")) && getppid() == atoi(getenv("PPID")));
  OK(getpgrp() == getpid() && getsid(0) == getpid());
  OK(gettid() == getpid());
  struct robust_list_head *head = (void *)1;
  size_t bytes;
  syscall(SYS_get_robust_list, 0, &head, &bytes);
  int fd = open("lock", O_RDWR);
  struct flock lock = {.l_type = F_WRLCK};
  SHOW(fcntl(fd, F_GETLK, &lock));
  SHOW(lock.l_type == F_UNLCK);
  SHOW(flock(20, LOCK_UN));
  cpu_set_t set;
  sched_getaffinity(0, sizeof set, &set);
  SHOW(CPU_COUNT(&set));
  if (sigismember(&pending, SIGRTMIN + 3)) {
    siginfo_t info;
    SHOW(sigwaitinfo(&mask, &info));
    SHOW(info.si_code);
    SHOW(info.si_value.sival_int);
  }
}

static void *sleeper(void *argument) {
  for (;;) pause();
  return argument;
}

static void *executes(void *argument) {
  again(argument);
  return 0;
}

static void attributes(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child) {
    SHOW(status_of(child));
    return;
  }
  mkdir("place", 0700);
  if (chdir("place")) _exit(1);
  setsid();
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
  sigaction(SIGUSR1, &action, 0);
  sigaction(SIGRTMIN + 3, &action, 0);
  action.sa_handler = SIG_IGN;
  sigaction(SIGUSR2, &action, 0);
  sigaction(SIGPIPE, &action, 0);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGRTMIN + 3);
  sigprocmask(SIG_SETMASK, &mask, 0);
  raise(SIGTERM);
  raise(SIGUSR1);
  sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 77});
  static char stack[65536];
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, 0);
  alarm(60);
  timer_t timer;
  timer_create(CLOCK_MONOTONIC, 0, &timer);
  umask(0123);
  int fd = open("lock", O_RDWR | O_CREAT, 0600);
  dup2(fd, 20);
  lseek(fd, 5, SEEK_SET);
  fcntl(open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600), F_SETFD, FD_CLOEXEC);
  opendir("/");
  setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 200});
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 1000});
  setrlimit(RLIMIT_NPROC, &(struct rlimit){5000, 5000});
  setrlimit(RLIMIT_STACK, &(struct rlimit){1 << 20, 2 << 20});
  prctl(PR_SET_NAME, "another");
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_KEEPCAPS, 1);
  prctl(PR_SET_TIMERSLACK, 12345);
  setpriority(PRIO_PROCESS, 0, 7);
  char text[2][20];
  sprintf(text[0], "%d", getpid());
  sprintf(text[1], "%d", getppid());
  setenv("PID", text[0], 1);
  setenv("PPID", text[1], 1);
  again("kept");
  _exit(1);
}

/* Other threads end, whichever executes. */
static void threads(void) {
  for (int i = 0; i < 2; i++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      pthread_t thread;
      for (int j = 0; j < 5; j++) pthread_create(&thread, 0, sleeper, 0);
      char text[20];
      sprintf(text, "%d", getpid());
      setenv("PID", text, 1);
      if (i == 0) again("alone");
      pthread_create(&thread, 0, executes, "alone");
      for (;;) pause();
    }
    SHOW(status_of(child));
  }
}

static void alone(void) {
  OK(getpid() == atoi(getenv("PID")));
  OK(gettid() == getpid());
  DIR *tasks = opendir("/proc/self/task");
  if (tasks) closedir(tasks);
}

static void closed(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(0);
    close(2);
    again("streams");
    _exit(1);
  }
  SHOW(status_of(child));
}

static void streams(void) {
  SHOW(fcntl(0, F_GETFD));
  SHOW(fcntl(1, F_GETFD));
  SHOW(fcntl(2, F_GETFD));
  SHOW(open("/dev/null", O_RDONLY));
}

/* Over and over, in the same process. */
static void chain(void) {
  char *left = getenv("LEFT");
  int now = left ? atoi(left) : 30;
  if (now == 0) {
    printf("done\n");
    return;
  }
  char text[20];
  sprintf(text, "%d", now - 1);
  setenv("LEFT", text, 1);
  void *memory = malloc(1 << 20);
  memset(memory, 1, 1 << 20);
  again("chain");
}

/* By names that lead to the program in other ways. */
static void names(void) {
  char name[64];
  int fd = open(self, O_RDONLY), hidden = open(self, O_RDONLY | O_CLOEXEC);
  sprintf(name, "/proc/self/fd/%d", fd);
  const char *all[] = {"/proc/self/exe", "/proc/thread-self/exe", name};
  for (int i = 0; i < 3; i++) tried(all[i]);
  sprintf(name, "/dev/fd/%d", hidden);
  tried(name);
  in_child("self");
}

static void self_seen(void) {
  char path[4096] = {0};
  OK(readlink("/proc/self/exe", path, sizeof path - 1) > 0 && !strcmp(path, self));
  OK(!strcmp((char *)getauxval(AT_EXECFN), self));
  FILE *file = fopen("/proc/self/cmdline", "r");
  size_t bytes = fread(path, 1, sizeof path, file);
  OK(bytes == strlen(self) + 1 + 5 && !strcmp(path, self) && !strcmp(path + strlen(self) + 1, "self"));
  fclose(file);
}

static int ready[2] = {100, 101};

/* What another process sees: the parent reads it between the child's words. */
static void shown(pid_t process, const char *file) {
  char path[64], text[4096];
  sprintf(path, "/proc/%d/%s", process, file);
  int fd = open(path, O_RDONLY);
  ssize_t bytes = read(fd, text, sizeof text);
  printf("%s, %zd bytes: ", file, bytes);
  for (ssize_t i = 0; i < bytes; i++) putchar(text[i] ? text[i] : '|');
  putchar('\n');
  close(fd);
}

static void watched(void) {
  char byte = 0;
  write(ready[1], &byte, 1);
  read(ready[0] + 2, &byte, 1);
  prctl(PR_SET_NAME, "a name too long for it");
  write(ready[1], &byte, 1);
  pause();
}

static void watching(void) {
  int words[2], answers[2];
  pipe(words);
  pipe(answers);
  dup2(words[1], ready[1]);
  dup2(answers[0], ready[0] + 2);
  link(self, "watched (it) program");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    execl("./watched (it) program", "given name", "watched", "", "two words", NULL);
    _exit(99);
  }
  char byte;
  for (int i = 0; i < 2; i++) {
    read(words[0], &byte, 1);
    shown(child, "comm");
    shown(child, "cmdline");
    write(answers[1], &byte, 1);
  }
  kill(child, SIGKILL);
  SHOW(status_of(child));
}

int main(int argc, char **argv) {
  static const struct test tests[] = {{"given", given}, {"seen", arguments_seen}, {"large", large}, {"lengths", lengths}, {"errors", errors},
    {"at", at}, {"attributes", attributes}, {"kept", kept}, {"threads", threads}, {"alone", alone}, {"closed", closed},
    {"streams", streams}, {"chain", chain}, {"names", names}, {"self", self_seen}, {"watching", watching},
    {"watched", watched}};
  setvbuf(stdout, 0, _IOLBF, 0);
  count = argc;
  arguments = argv;
  self = getenv("SELF");
  if (!self) {
    self = realpath(argv[0], 0);
    setenv("SELF", self, 1);
  }
  for (size_t i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++)
    if (!strcmp(argv[1], tests[i].name)) {
      tests[i].run();
      return 0;
    }
  printf("%d arguments and no test\n", argc);
  return 2;
}
