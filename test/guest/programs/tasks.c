/* What clone(2), unshare(2), prctl(2) and membarrier(2) tell and do beside making threads. */
#include "check.h"

#include <linux/membarrier.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const char *own_name(void) {
  static char name[17];
  prctl(PR_GET_NAME, name);
  return name;
}

static void *name_itself(void *unused) {
  (void)unused;
  prctl(PR_SET_NAME, "a name that is too long");
  printf("thread: %s\n", own_name());
  return 0;
}

/* Each thread has a name; a new one begins with its maker's. */
static void names(void) {
  pthread_t thread;
  printf("first: %s\n", own_name());
  SHOW(prctl(PR_SET_NAME, "first"));
  pthread_create(&thread, 0, name_itself, 0);
  pthread_join(thread, 0);
  printf("still: %s\n", own_name());
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    printf("child: %s\n", own_name());
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, 0, 0);
  SHOW(prctl(PR_SET_NAME, 8));
}

static void end_of(long child, int descriptor) {
  struct pollfd ready = {descriptor, POLLIN, 0};
  siginfo_t end = {0};
  OK(child > 0);
  SHOW(fcntl(descriptor, F_GETFD));
  SHOW(poll(&ready, 1, 5000));
  SHOW(waitid(P_PIDFD, descriptor, &end, WEXITED));
  OK(end.si_pid == child);
  SHOW(end.si_status);
  close(descriptor);
}

/* A child that a descriptor stands for. */
static void held(void) {
  int descriptor = -1;
  struct clone_args arguments = {
      .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&descriptor, .exit_signal = SIGCHLD};
  long child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (!child) _exit(3);
  end_of(child, descriptor);
  child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &descriptor, 0, 0);
  if (!child) _exit(4);
  end_of(child, descriptor);
  SHOW(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &descriptor, 0, 0));
}

static void *unshare_in_thread(void *unused) {
  (void)unused;
  SHOW(unshare(0));
  SHOW(unshare(CLONE_THREAD));
  SHOW(unshare(CLONE_VM));
  return 0;
}

static void unsharing(void) {
  SHOW(unshare(0));
  SHOW(unshare(CLONE_FILES));
  SHOW(unshare(CLONE_FS));
  SHOW(unshare(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM));
  SHOW(unshare(CLONE_THREAD));
  SHOW(unshare(CLONE_VM));
  SHOW(unshare(CLONE_SIGHAND));
  SHOW(unshare(1));
  pthread_t thread;
  pthread_create(&thread, 0, unshare_in_thread, 0);
  pthread_join(thread, 0);
}

static void barriers(void) {
  long offered = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  SHOW(offered & 0x7f);
  for (int command = MEMBARRIER_CMD_PRIVATE_EXPEDITED; command <= MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE; command <<= 2) {
    SHOW(syscall(SYS_membarrier, command, 0, 0));
    SHOW(syscall(SYS_membarrier, command << 1, 0, 0));
    SHOW(syscall(SYS_membarrier, command, 0, 0));
    SHOW(syscall(SYS_membarrier, 512, 0, 0)); /* MEMBARRIER_CMD_GET_REGISTRATIONS */
  }
  for (int command = MEMBARRIER_CMD_GLOBAL; command <= MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED; command <<= 1)
    SHOW(syscall(SYS_membarrier, command, 0, 0));
  SHOW(syscall(SYS_membarrier, 512, 0, 0));
  SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 2, 0));
  SHOW(syscall(SYS_membarrier, 3, 0, 0));
}

enum { CROWD = 2000, SPINNERS = 4 };
static uint32_t gate;
static volatile int stop;
static pthread_t crowd_threads[CROWD];

static void *wait_at_gate(void *unused) {
  while (!__atomic_load_n(&gate, __ATOMIC_SEQ_CST)) syscall(SYS_futex, &gate, 128, 0, 0, 0, 0);
  return unused;
}

/* Two thousand threads live at once, wake at once, and end. */
static void crowd(void) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 32768);
  int made = 0, joined = 0;
  while (made < CROWD && !pthread_create(&crowd_threads[made], &attributes, wait_at_gate, 0)) made++;
  SHOW(made);
  __atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &gate, 129, CROWD, 0, 0, 0);
  for (int i = 0; i < made; i++) joined += !pthread_join(crowd_threads[i], 0);
  SHOW(joined);
}

static void *spin(void *unused) {
  while (!stop)
    ;
  return unused;
}

static void *hand_over(void *turn) {
  for (int i = 0; i < 50; i++) {
    while (__atomic_load_n((uint32_t *)turn, __ATOMIC_SEQ_CST) % 2 == 0)
      syscall(SYS_futex, turn, 128, 2 * i, 0, 0, 0);
    __atomic_fetch_add((uint32_t *)turn, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, turn, 129, 1, 0, 0, 0);
  }
  return 0;
}

/* Threads that never make a call keep none from its turn. */
static void spinning(void) {
  static uint32_t turn;
  pthread_t spinners[SPINNERS], other;
  for (int i = 0; i < SPINNERS; i++) pthread_create(&spinners[i], 0, spin, 0);
  pthread_create(&other, 0, hand_over, &turn);
  for (int i = 0; i < 50; i++) {
    __atomic_fetch_add(&turn, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &turn, 129, 1, 0, 0, 0);
    while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) % 2 == 1)
      syscall(SYS_futex, &turn, 128, 2 * i + 1, 0, 0, 0);
  }
  pthread_join(other, 0);
  stop = 1;
  for (int i = 0; i < SPINNERS; i++) pthread_join(spinners[i], 0);
  SHOW(turn);
}

TESTS({"crowd", crowd}, {"spinning", spinning}, {"names", names}, {"held", held}, {"unsharing", unsharing}, {"barriers", barriers})
