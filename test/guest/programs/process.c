/* What a program finds at its start, and what it asks and sets about itself. */
#include "check.h"

#include <elf.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

extern char **environ;

static void start(void) {
  uintptr_t stack = (uintptr_t)environ;
  printf("page %lu, tick %lu, secure %lu\n", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK), getauxval(AT_SECURE));
  printf("%lu %lu %lu %lu\n", getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID), getauxval(AT_EGID));
  printf("%s %lx %lx\n", (char *)getauxval(AT_PLATFORM), getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
  printf("headers %lu of %lu, base %lu, flags %lu\n", getauxval(AT_PHNUM), getauxval(AT_PHENT), getauxval(AT_BASE), getauxval(AT_FLAGS));
  OK(getauxval(AT_RANDOM) && !all((void *)getauxval(AT_RANDOM), 0, 16));
  OK(getauxval(AT_ENTRY) && getauxval(AT_PHDR) && getauxval(AT_SYSINFO_EHDR));
  const char *file = (const char *)getauxval(AT_EXECFN);
  OK(strrchr(file, '/') && !strcmp(strrchr(file, '/'), "/process"));
  OK(stack % 8 == 0);
  char path[4096];
  OK(readlink("/proc/self/exe", path, sizeof path) > 0 && path[0] == '/');
  char name[16] = {0};
  SHOW(prctl(PR_GET_NAME, name));
  puts(name);
}

static void exiting(void) {
  printf("not lost");
  exit(300);
}

static void identity(void) {
  uid_t real, effective, saved;
  OK(getpid() > 0 && getppid() > 0 && (pid_t)syscall(SYS_gettid) == getpid());
  OK(getpgrp() == getpgid(0) && getsid(0) == getsid(getpid()));
  SHOW(getuid() + getgid());
  SHOW(getgroups(0, 0));
  SHOW(setresgid(5, 6, 7));
  SHOW(setresuid(1000, 1001, 1002));
  SHOW(getresuid(&real, &effective, &saved));
  printf("%u %u %u, group %u %u\n", real, effective, saved, getgid(), getegid());
  SHOW(setuid(0));
  SHOW(open("made", O_CREAT | O_RDWR, 0600));
  SHOW(open("/etc/shadow", O_RDONLY));
  SHOW(seteuid(1000));
  SHOW(kill(getpid(), 0));
  SHOW(kill(0x7ffffff, 0));
  struct iovec memory = {&real, sizeof real};
  SHOW(syscall(SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 1));
  SHOW(syscall(SYS_process_vm_writev, 0x3ffff0, &memory, 1, &memory, 1, 0));
  SHOW(syscall(SYS_kcmp, 0, getpid(), 0, 0, 0));
  SHOW(syscall(SYS_kcmp, getpid(), 0x3ffff0, 0, 0, 0));
  SHOW(kill(getpid(), 65));
  SHOW(setpgid(0, 0));
  SHOW(wait4(-1, 0, 0, 0));
  SHOW(wait4(-1, 0, WNOHANG, 0));
  SHOW(setpriority(PRIO_PROCESS, 0, 5));
  SHOW(getpriority(PRIO_PROCESS, 0));
}

static void machine(void) {
  struct utsname names;
  SHOW(uname(&names));
  printf("%s %s\n", names.sysname, names.machine);
  OK(names.release[0] >= '4' && names.nodename[0]);
  struct sysinfo info;
  SHOW(sysinfo(&info));
  OK(info.uptime > 0 && info.totalram > 0 && info.mem_unit > 0);
  cpu_set_t set;
  OK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 && CPU_ISSET(sched_getcpu(), &set));
  SHOW(syscall(SYS_sched_getaffinity, 0, 3, &set));
  SHOW(sched_yield());
  unsigned char random[64] = {0}, more[64] = {0};
  SHOW(getrandom(random, 64, 0));
  SHOW(getrandom(more, 64, GRND_NONBLOCK));
  SHOW(getrandom(more, 64, 0x80));
  OK(!all(random, 0, 64) && memcmp(random, more, 64));
  struct rusage usage;
  struct tms ticks;
  SHOW(getrusage(RUSAGE_SELF, &usage));
  SHOW(getrusage(77, &usage));
  OK(times(&ticks) > 0);
  SHOW(syscall(SYS_personality, 0xffffffff));
}

static void limits(void) {
  struct rlimit limit = {0}, before;
  for (int i = 0; i < RLIM_NLIMITS; i++) SHOW(getrlimit(i, &limit));
  SHOW(getrlimit(16, &limit));
  SHOW(getrlimit(RLIMIT_STACK, &before));
  OK(before.rlim_cur == 8 << 20);
  SHOW(setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 200}));
  SHOW(prlimit(0, RLIMIT_NOFILE, 0, &limit));
  printf("%lu %lu\n", limit.rlim_cur, limit.rlim_max);
  SHOW(setrlimit(RLIMIT_NOFILE, &(struct rlimit){201, 200}));
  SHOW(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}));
  SHOW(prlimit(getpid(), RLIMIT_CORE, &(struct rlimit){0, 0}, &limit));
  SHOW(setrlimit(99, &limit));
}

static void attributes(void) {
  unsigned long base;
  char name[16] = {0};
  SHOW(prctl(PR_SET_NAME, "a name that is far too long"));
  SHOW(prctl(PR_GET_NAME, name));
  puts(name);
  SHOW(prctl(PR_SET_DUMPABLE, 0));
  SHOW(prctl(PR_GET_DUMPABLE));
  SHOW(prctl(PR_SET_DUMPABLE, 7));
  SHOW(prctl(PR_SET_PDEATHSIG, SIGTERM));
  SHOW(prctl(PR_GET_PDEATHSIG, &base));
  SHOW((int)base);
  SHOW(prctl(PR_SET_KEEPCAPS, 1));
  SHOW(prctl(PR_GET_KEEPCAPS));
  SHOW(prctl(PR_CAPBSET_READ, 99));
  SHOW(prctl(PR_GET_TIMERSLACK));
  SHOW(prctl(9999));
  SHOW(syscall(SYS_arch_prctl, 0x1001, 0x1234000));
  SHOW(syscall(SYS_arch_prctl, 0x1004, &base));
  SHOW(base);
  SHOW(syscall(SYS_arch_prctl, 0x1001, -1L));
  SHOW(syscall(SYS_arch_prctl, 0x9999, 0));
  SHOW(syscall(SYS_set_tid_address, 0) == getpid());
}

static void handler(int signal) { (void)signal; }

static void signals(void) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
  sigset_t set, before;
  SHOW(sigaction(SIGUSR1, &action, &old));
  OK(old.sa_handler == SIG_DFL);
  SHOW(sigaction(SIGUSR1, 0, &old));
  OK(old.sa_handler == handler && old.sa_flags & SA_RESTART);
  SHOW(syscall(SYS_rt_sigaction, SIGKILL, &action, 0, 8));
  SHOW(syscall(SYS_rt_sigaction, 65, 0, &old, 8));
  SHOW(syscall(SYS_rt_sigaction, 0, 0, &old, 8));
  SHOW(syscall(SYS_rt_sigaction, SIGUSR1, 0, &old, 4));
  sigfillset(&set);
  SHOW(sigprocmask(SIG_SETMASK, &set, &before));
  SHOW(sigprocmask(SIG_BLOCK, 0, &set));
  OK(!sigismember(&set, SIGKILL) && !sigismember(&set, SIGSTOP) && sigismember(&set, SIGTERM));
  SHOW(sigprocmask(77, &set, 0));
  SHOW(raise(SIGTERM));
  SHOW(kill(getpid(), SIGHUP));
  SHOW(sigpending(&set));
  OK(sigismember(&set, SIGTERM) && sigismember(&set, SIGHUP) && !sigismember(&set, SIGINT));
  SHOW((long)signal(SIGTERM, SIG_IGN));
  SHOW((long)signal(SIGHUP, SIG_IGN));
  SHOW(sigpending(&set));
  OK(!sigismember(&set, SIGTERM));
  SHOW(sigprocmask(SIG_SETMASK, &before, 0));
  SHOW(raise(SIGTERM));
  SHOW(raise(SIGCHLD));
  SHOW(raise(SIGCONT));
  SHOW(raise(SIGURG));
  stack_t stack = {.ss_sp = malloc(20000), .ss_size = 20000}, had;
  SHOW(sigaltstack(&stack, &had));
  OK(had.ss_flags == SS_DISABLE && had.ss_size == 0);
  SHOW(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, &had));
  OK(had.ss_flags == 0 && had.ss_size == 20000 && had.ss_sp == stack.ss_sp);
  stack.ss_size = 100;
  SHOW(sigaltstack(&stack, 0));
  stack.ss_flags = 99;
  SHOW(sigaltstack(&stack, 0));
}

/* The signal that the second argument names. */
static void raising(void) {
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  int number = atoi(getenv("SIGNAL"));
  SHOW(number);
  SHOW(raise(number));
}

static void strings(void) {
  long count = 0, bytes = 0;
  for (char **variable = environ; *variable; variable++, count++) bytes += (long)strlen(*variable);
  printf("%ld variables, %ld bytes\n", count, bytes);
  for (char **variable = environ; *variable && variable < environ + 5; variable++) printf("<%.50s>\n", *variable);
}

TESTS({"start", start}, {"exiting", exiting}, {"identity", identity}, {"machine", machine}, {"limits", limits},
      {"attributes", attributes}, {"signals", signals}, {"raising", raising}, {"strings", strings})
