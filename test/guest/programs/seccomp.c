/* seccomp(2): filters of the program's own. */
#include "check.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>

/* No system call has this number. */
#define PROBE 500
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define GIVE(value) BPF_STMT(BPF_RET | BPF_K, value)
#define IF_NOT(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)

static long install(struct sock_filter *program, unsigned short length, unsigned flags) {
  struct sock_fprog filter = {length, program};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

/* A verdict on the number, if the first argument is that; others are allowed. */
static long on(int number, unsigned argument, unsigned verdict, unsigned flags) {
  struct sock_filter program[] = {
      LOAD(nr),       IF_NOT(number, 3), LOAD(args[0]), IF_NOT(argument, 1),
      GIVE(verdict), GIVE(SECCOMP_RET_ALLOW),
  };
  return install(program, 6, flags);
}

static void bind_privileges(void) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) exit(3);
}

static void modes(void) {
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 1, 0));
  SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(syscall(SYS_seccomp, 99, 0, 0));
  SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0));
  SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 1));
  SHOW(prctl(PR_SET_SECCOMP, 3, 0));
  SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 8));
  unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                        SECCOMP_RET_ERRNO,        SECCOMP_RET_TRACE,       SECCOMP_RET_LOG,
                        SECCOMP_RET_ALLOW,        0x12340000};
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
    SHOW(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
  SHOW(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &actions[0]));
  SHOW(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 8));
  SHOW(on(PROBE, 1, SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW));
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0));
}

static void refused(void) {
  bind_privileges();
  struct sock_filter good[] = {GIVE(SECCOMP_RET_ALLOW)};
  SHOW(install(good, 0, 0));
  SHOW(install(good, 4097, 0));
  SHOW(install((struct sock_filter *)8, 1, 0));
  SHOW(install(good, 1, 1 << 30));
  struct sock_filter bad[][2] = {
      {LOAD(nr), LOAD(nr)},
      {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), GIVE(0)},
      {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), GIVE(0)},
      {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), GIVE(0)},
      {BPF_STMT(BPF_LD | BPF_MEM, 0), GIVE(0)},
      {BPF_STMT(BPF_ST, 16), GIVE(0)},
      {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), GIVE(0)},
      {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 2), GIVE(0)},
      {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), GIVE(0)},
      {BPF_STMT(BPF_JMP | BPF_JA, 1), GIVE(0)},
      {BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), GIVE(0)},
      {BPF_STMT(0xffff, 0), GIVE(0)},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) SHOW(install(bad[i], 2, 0));
  struct sock_filter *long_one = calloc(4096, sizeof *long_one);
  for (int i = 0; i < 4096; i++) long_one[i] = good[0];
  SHOW(install(long_one, 4096, 0));
  /* How many there can be is counted in the host's own instructions. */
  for (int i = 0; i < 40; i++) install(long_one, 4096, 0);
  SHOW(install(long_one, 4096, 0));
}

static void unprivileged(void) {
  SHOW(syscall(SYS_setresuid, 65534, 65534, 65534));
  SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 7, 0));
  bind_privileges();
  SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 7, 0));
  SHOW(syscall(PROBE, 1));
}

static void results(void) {
  SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 7, 0)); /* root needs no more */
  SHOW(on(PROBE, 2, SECCOMP_RET_ERRNO | 0, 0));
  SHOW(on(PROBE, 3, SECCOMP_RET_ERRNO | 0xffff, 0));
  SHOW(on(PROBE, 4, SECCOMP_RET_TRACE | 5, 0));
  SHOW(on(SYS_dup, 5, SECCOMP_RET_ERRNO | EINTR, 0));
  SHOW(on(SYS_close, 6, SECCOMP_RET_LOG, 0));
  SHOW(on(SYS_mmap, 0x77770000, SECCOMP_RET_ERRNO | EXDEV, 0));
  SHOW(syscall(PROBE, 0));
  SHOW(syscall(PROBE, 1));
  SHOW(syscall(PROBE, 2));
  printf("largest: %ld %d\n", syscall(PROBE, 3), errno);
  SHOW(syscall(PROBE, 4));
  SHOW(dup(5));
  SHOW(dup(6));
  SHOW(close(6));
  OK(mmap((void *)0x77770000, 4096, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0) == MAP_FAILED);
  OK(errno == EXDEV);
  /* The newest of equal ones, the first of different ones. */
  SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 8, 0));
  SHOW(syscall(PROBE, 1));
  SHOW(on(PROBE, 1, SECCOMP_RET_TRACE, 0));
  SHOW(syscall(PROBE, 1));
}

static volatile sig_atomic_t trapped;
static void on_trap(int signal, siginfo_t *info, void *context) {
  ucontext_t *at = context;
  trapped++;
  printf("signal %d code %d errno %d call %d arch %x\n", signal, info->si_code, info->si_errno,
         info->si_syscall, info->si_arch);
  printf("rax %lld, rdi %lld\n", at->uc_mcontext.gregs[REG_RAX], at->uc_mcontext.gregs[REG_RDI]);
  OK((greg_t)info->si_call_addr == at->uc_mcontext.gregs[REG_RIP]);
  at->uc_mcontext.gregs[REG_RAX] = 4242;
}

static void trap(void) {
  struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
  SHOW(sigaction(SIGSYS, &action, 0));
  SHOW(on(PROBE, 9, SECCOMP_RET_TRAP | 77, 0));
  SHOW(on(SYS_getppid, 9, SECCOMP_RET_TRAP, 0));
  for (int i = 0; i < 3; i++) SHOW(syscall(PROBE, 9));
  for (int i = 0; i < 3; i++) SHOW(syscall(SYS_getppid, 9));
  SHOW(trapped);
}

static void trap_blocked(void) {
  struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
  sigaction(SIGSYS, &action, 0);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGSYS);
  sigprocmask(SIG_BLOCK, &set, 0);
  on(PROBE, 9, SECCOMP_RET_TRAP, 0);
  printf("before\n");
  syscall(PROBE, 9);
  printf("after\n");
}

static void trap_unhandled(void) {
  on(PROBE, 9, SECCOMP_RET_TRAP, 0);
  printf("before\n");
  syscall(PROBE, 9);
  printf("after\n");
}

static void kill_process(void) {
  on(PROBE, 9, SECCOMP_RET_KILL_PROCESS, 0);
  printf("before\n");
  syscall(PROBE, 9);
  printf("after\n");
}

static void kill_last(void) {
  on(PROBE, 9, SECCOMP_RET_KILL_THREAD, 0);
  printf("before\n");
  syscall(PROBE, 9);
  printf("after\n");
}

static void *die(void *unused) {
  (void)unused;
  on(PROBE, 9, SECCOMP_RET_KILL_THREAD, 0);
  SHOW(syscall(PROBE, 8));
  syscall(PROBE, 9);
  printf("after\n");
  return 0;
}

static void kill_thread(void) {
  pthread_t thread;
  pthread_create(&thread, 0, die, 0);
  pthread_join(thread, 0);
  SHOW(syscall(PROBE, 9));
}

static void strict(void) {
  SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
  static const char text[] = "still here\n";
  syscall(SYS_write, 1, text, sizeof text - 1);
  syscall(SYS_getpid);
  syscall(SYS_write, 1, "not here\n", 9);
}

static pthread_barrier_t barrier;
static void *other(void *private) {
  if (private) SHOW(on(PROBE, 3, SECCOMP_RET_ERRNO | 3, 0));
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  printf("other: %ld %d\n", syscall(PROBE, 2), errno);
  printf("other: %ld %d\n", syscall(PROBE, 3), errno);
  return 0;
}

static void among(void *private) {
  pthread_t thread;
  pthread_barrier_init(&barrier, 0, 2);
  SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 1, 0));
  pthread_create(&thread, 0, other, private);
  pthread_barrier_wait(&barrier);
  long result = on(PROBE, 2, SECCOMP_RET_ERRNO | 2, SECCOMP_FILTER_FLAG_TSYNC);
  printf("together: %s\n", result > 0 ? "a thread" : result ? "no" : "yes");
  SHOW(on(PROBE, 2, SECCOMP_RET_ERRNO | 2,
          SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
  pthread_barrier_wait(&barrier);
  pthread_join(thread, 0);
  SHOW(syscall(PROBE, 1));
  SHOW(syscall(PROBE, 2));
  SHOW(syscall(PROBE, 3));
}

static void together(void) { among(0); }
static void apart(void) { among(&barrier); }

static void child(void) {
  SHOW(syscall(PROBE, 1));
  SHOW(syscall(SYS_dup2, 111, 112));
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 12, 0));
  SHOW(syscall(PROBE, 1));
}

static void inherited(void) {
  SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 11, 0));
  SHOW(on(SYS_dup2, 111, SECCOMP_RET_ERRNO | 13, 0));
  if (fork() == 0) {
    child();
    fflush(stdout);
    execl("/proc/self/exe", "seccomp", "child", (char *)0);
    _exit(1);
  }
  int status;
  wait(&status);
  SHOW(status);
  SHOW(syscall(PROBE, 1));
}

static void *become(void *unused) {
  (void)unused;
  SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 11, 0));
  execl("/proc/self/exe", "seccomp", "child", (char *)0);
  return 0;
}

/* The filters of the thread that executes are those of the new program. */
static void executed(void) {
  pthread_t thread;
  pthread_create(&thread, 0, become, 0);
  pthread_join(thread, 0);
}

/* A child of vfork(2) has filters of its own. */
static void spawned(void) {
  SHOW(on(PROBE, 2, SECCOMP_RET_ERRNO | 14, 0));
  if (vfork() == 0) {
    SHOW(on(PROBE, 1, SECCOMP_RET_ERRNO | 11, 0));
    fflush(stdout);
    execl("/proc/self/exe", "seccomp", "child", (char *)0);
    _exit(1);
  }
  int status;
  wait(&status);
  SHOW(status);
  SHOW(syscall(PROBE, 1));
  if (vfork() == 0) {
    on(PROBE, 1, SECCOMP_RET_KILL_THREAD, 0);
    syscall(PROBE, 1);
    _exit(1);
  }
  wait(&status);
  SHOW(status);
  SHOW(syscall(PROBE, 1));
  SHOW(syscall(PROBE, 2));
}

static void executing_refused(void) {
  struct sock_filter program[] = {
      LOAD(nr), IF_NOT(SYS_execve, 1), GIVE(SECCOMP_RET_ERRNO | EROFS), GIVE(SECCOMP_RET_ALLOW)};
  SHOW(install(program, 4, 0));
  SHOW(execl("/proc/self/exe", "seccomp", "child", (char *)0));
  struct sock_filter forking[] = {
      LOAD(nr),          IF_NOT(SYS_clone, 1), GIVE(SECCOMP_RET_ERRNO | EDOM), IF_NOT(SYS_fork, 1),
      GIVE(SECCOMP_RET_ERRNO | EDOM), GIVE(SECCOMP_RET_ALLOW)};
  SHOW(install(forking, 6, 0));
  SHOW(fork());
}

/* Programs of random instructions, and what they make of a call. */
static unsigned seed = 12345;
static unsigned next(unsigned below) {
  seed = seed * 1103515245 + 12345;
  return (seed >> 16) % below;
}

static struct sock_filter any(int left) {
  static const unsigned short codes[] = {
      0x00, 0x01, 0x02, 0x03, 0x04, 0x07, 0x0c, 0x14, 0x1c, 0x20, 0x20, 0x24, 0x2c, 0x34, 0x3c,
      0x44, 0x4c, 0x54, 0x5c, 0x60, 0x61, 0x64, 0x74, 0x80, 0x81, 0x84, 0x87, 0xa4, 0xac, 0x05,
      0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x02, 0x03};
  struct sock_filter one = {codes[next(sizeof codes / sizeof *codes)], 0, 0, 0};
  switch (BPF_CLASS(one.code)) {
    case BPF_JMP:
      one.jt = next(left);
      one.jf = next(left);
      one.k = one.code == 0x05 ? next(left) : next(2) ? next(8) : next(65536) << 16;
      break;
    case BPF_ALU:
      one.k = next(30) + 1;
      break;
    default:
      one.k = one.code == 0x20 ? 4 * next(16) : next(3) ? next(16) : next(65536) << 14;
      /* Not the place of the call, which differs. */
      if (one.code == 0x20 && (one.k == 8 || one.k == 12)) one.k = 16;
      if (one.code == 0x02 || one.code == 0x03 || one.code == 0x60 || one.code == 0x61) one.k %= 4;
  }
  return one;
}

static void *judged(void *unused) {
  (void)unused;
  enum { HEAD = 7, BODY = 24, LENGTH = HEAD + BODY + 3 };
  struct sock_filter program[LENGTH] = {
      LOAD(nr),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROBE, 1, 0),
      GIVE(SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_ST, 0),
      BPF_STMT(BPF_ST, 1),
      BPF_STMT(BPF_ST, 2),
      BPF_STMT(BPF_ST, 3),
  };
  int at = HEAD;
  for (; at < HEAD + BODY; at++) program[at] = any(HEAD + BODY - at);
  program[at++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x7ff);
  program[at++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO);
  program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
  if (install(program, LENGTH, 0)) {
    printf("%s\n", strerrorname_np(errno));
    return 0;
  }
  for (unsigned i = 0; i < 3; i++) {
    long result = syscall(PROBE, i, -1L, 1L << 40, 0x123456789abcdef, i << 20, 7L);
    printf("%ld %d ", result, result ? errno : 0);
  }
  printf("\n");
  return 0;
}

static void random_ones(void) {
  for (int i = 0; i < 400; i++) {
    pthread_t thread;
    pthread_create(&thread, 0, judged, 0);
    pthread_join(thread, 0);
  }
}

TESTS({"modes", modes}, {"refused", refused}, {"unprivileged", unprivileged}, {"results", results},
      {"trap", trap}, {"trap_blocked", trap_blocked}, {"trap_unhandled", trap_unhandled},
      {"kill_process", kill_process}, {"kill_last", kill_last}, {"kill_thread", kill_thread},
      {"strict", strict}, {"together", together}, {"apart", apart}, {"child", child},
      {"inherited", inherited}, {"executed", executed}, {"spawned", spawned}, {"executing_refused", executing_refused},
      {"random", random_ones})
