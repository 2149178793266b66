/* Threads that run at the same time: what one changes, the others see at once, and nothing is lost
 * between them. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

enum { PAGE = 4096 };

static atomic_int stop, ready;
static atomic_long turn, seen;

static void *map(void *at, size_t bytes, int flags) {
  return mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void start(pthread_t *threads, int count, void *(*run)(void *), void *argument) {
  for (int i = 0; i < count; i++)
    if (pthread_create(&threads[i], 0, run, argument)) perror("pthread_create");
}

static void join(pthread_t *threads, int count) {
  for (int i = 0; i < count; i++) pthread_join(threads[i], 0);
}

/* Reads a page each time that it was replaced: an old translation would show the page before. */
static void *look(void *page) {
  long mine = 0, wrong = 0;
  while (!atomic_load(&stop)) {
    long now = atomic_load(&turn);
    if (now == mine) continue;
    mine = now;
    wrong += *(volatile long *)page != (now % 2 ? now : 0);
    atomic_store(&seen, now);
  }
  return (void *)wrong;
}

static void next_turn(long now) {
  atomic_store(&turn, now);
  while (atomic_load(&seen) != now)
    ;
}

static void unmapping(void) {
  pthread_t thread;
  void *wrong;
  volatile long *page = map(0, PAGE, 0);
  start(&thread, 1, look, (void *)page);
  for (long i = 1; i < 2000; i += 2) {
    *page = i;
    next_turn(i);
    munmap((void *)page, PAGE);
    map((void *)page, PAGE, MAP_FIXED);
    next_turn(i + 1);
    if (i % 5 == 0) madvise((void *)page, PAGE, MADV_DONTNEED);
    if (i % 7 == 0) map(0, PAGE, 0);
  }
  atomic_store(&stop, 1);
  pthread_join(thread, &wrong);
  SHOW(wrong);
}

static _Thread_local sigjmp_buf back;
static atomic_long stores, faults;
static volatile long *guarded;

static void on_fault(int signal) {
  (void)signal;
  siglongjmp(back, 1);
}

static void *store(void *argument) {
  (void)argument;
  while (!atomic_load(&stop)) {
    if (sigsetjmp(back, 1)) {
      atomic_fetch_add(&faults, 1);
      sched_yield();
      continue;
    }
    for (;;) {
      if (atomic_load(&stop)) return 0;
      *guarded = *guarded + 1;
      atomic_fetch_add(&stores, 1);
    }
  }
  return 0;
}

/* After mprotect(2) has returned nobody writes any more. */
static void protecting(void) {
  pthread_t thread;
  long late = 0;
  signal(SIGSEGV, on_fault);
  guarded = map(0, PAGE, 0);
  start(&thread, 1, store, 0);
  for (int i = 0; i < 500; i++) {
    long before = atomic_load(&stores);
    while (atomic_load(&stores) == before) sched_yield();
    mprotect((void *)guarded, PAGE, PROT_READ);
    long now = *guarded;
    for (int j = 0; j < 2000; j++) late += *guarded != now;
    mprotect((void *)guarded, PAGE, PROT_READ | PROT_WRITE);
  }
  atomic_store(&stop, 1);
  pthread_join(thread, 0);
  SHOW(late);
}

enum { COPIES = 400, CALLERS = 4 };
static unsigned char *code;

/* mov $39, %eax; syscall; inc %eax; ret: getpid(2), plus one. */
static void *call_each(void *argument) {
  (void)argument;
  long wrong = 0, expected = getpid() + 1;
  atomic_fetch_add(&ready, 1);
  while (atomic_load(&ready) < CALLERS) sched_yield();
  for (int i = 0; i < COPIES; i++)
    for (int j = 0; j < 20; j++) wrong += ((int (*)(void))(code + i * 64))() != expected;
  return (void *)wrong;
}

/* Several threads come to a new system call at once, which the kernel then patches. */
static void patching(void) {
  static const unsigned char call[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xff, 0xc0, 0xc3};
  pthread_t threads[CALLERS];
  long wrong = 0;
  code = map(0, COPIES * 64, 0);
  for (int i = 0; i < COPIES; i++) memcpy(code + i * 64, call, sizeof call);
  mprotect(code, COPIES * 64, PROT_READ | PROT_EXEC);
  start(threads, CALLERS, call_each, 0);
  for (int i = 0; i < CALLERS; i++) {
    void *one;
    pthread_join(threads[i], &one);
    wrong += (long)one;
  }
  SHOW(wrong);
}

static void *touch(void *argument) {
  (void)argument;
  long wrong = 0;
  for (int i = 0; i < 60; i++) {
    size_t bytes = ((size_t)(i * 7919 % 40) + 1) * 64 * 1024;
    unsigned char *at = map(0, bytes, 0);
    wrong += !all(at, 0, bytes);
    memset(at, i, bytes);
    wrong += !all(at, i, bytes);
    munmap(at, bytes);
  }
  return (void *)wrong;
}

/* Memory grows and goes while all use it. */
static void growing(void) {
  pthread_t threads[4];
  long wrong = 0;
  start(threads, 4, touch, 0);
  for (int i = 0; i < 4; i++) {
    void *one;
    pthread_join(threads[i], &one);
    wrong += (long)one;
  }
  SHOW(wrong);
}

static atomic_int handled;
static void count_signal(int signal) {
  (void)signal;
  atomic_fetch_add(&handled, 1);
}

static void *spin(void *argument) {
  sigset_t none;
  sigemptyset(&none);
  if (argument) pthread_sigmask(SIG_SETMASK, &none, 0);
  atomic_fetch_add(&ready, 1);
  while (!atomic_load(&stop))
    ;
  return 0;
}

/* Signals find threads that compute: one that was named, and whoever does not block it. */
static void signalling(void) {
  pthread_t threads[3];
  sigset_t usr1;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  signal(SIGUSR1, count_signal);
  signal(SIGUSR2, count_signal);
  pthread_sigmask(SIG_BLOCK, &usr1, 0);
  start(threads, 2, spin, 0);
  start(threads + 2, 1, spin, (void *)1);
  while (atomic_load(&ready) < 3) sched_yield();
  for (int i = 0; i < 200; i++) {
    kill(getpid(), SIGUSR1);
    while (atomic_load(&handled) <= 2 * i) sched_yield();
    pthread_kill(threads[i % 3], SIGUSR2);
    while (atomic_load(&handled) <= 2 * i + 1) sched_yield();
  }
  atomic_store(&stop, 1);
  join(threads, 3);
  SHOW(atomic_load(&handled));
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long queued, produced, consumed;
enum { ITEMS = 20000, EACH = 3 };

static void *produce(void *argument) {
  (void)argument;
  for (int i = 0; i < ITEMS; i++) {
    pthread_mutex_lock(&mutex);
    while (queued > 16) pthread_cond_wait(&changed, &mutex);
    queued++, produced++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
  }
  return 0;
}

static void *consume(void *argument) {
  (void)argument;
  for (int i = 0; i < ITEMS; i++) {
    pthread_mutex_lock(&mutex);
    while (queued == 0) pthread_cond_wait(&changed, &mutex);
    queued--, consumed++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    if (i % 500 == 0) usleep(50);
  }
  return 0;
}

static void passing(void) {
  pthread_t threads[2 * EACH];
  start(threads, EACH, produce, 0);
  start(threads + EACH, EACH, consume, 0);
  join(threads, 2 * EACH);
  SHOW(produced);
  SHOW(consumed);
  SHOW(queued);
}

static void *sleep_and_count(void *argument) {
  pthread_mutex_lock(&mutex);
  produced++;
  pthread_cond_broadcast(&changed);
  while (!consumed) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  return argument;
}

static void many(void) {
  enum { MANY = 10000 };
  static pthread_t threads[MANY];
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 16384);
  long made = 0;
  for (int i = 0; i < MANY; i++) made += pthread_create(&threads[i], &small, sleep_and_count, 0) == 0;
  SHOW(made);
  pthread_mutex_lock(&mutex);
  while (produced < made) pthread_cond_wait(&changed, &mutex);
  consumed = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&mutex);
  for (int i = 0; i < made; i++) pthread_join(threads[i], 0);
  SHOW(produced);
}

static void *ask_the_first(void *argument) {
  sigset_t all, before;
  sigfillset(&all);
  for (int i = 0; i < 30; i++) {
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (sigpending(&all)) return argument;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &before, 0);
    usleep(10);
  }
  return 0;
}

/* Many threads at once ask what only the process's first thread can tell. */
static void asking(void) {
  enum { MANY = 150 };
  pthread_t threads[MANY];
  void *failed = 0;
  signal(SIGUSR1, SIG_IGN);
  for (int i = 0; i < MANY; i++) pthread_create(&threads[i], 0, ask_the_first, "failed");
  for (int i = 0; i < MANY && !failed; i++) pthread_join(threads[i], &failed);
  SHOW(failed != 0);
}

static void *churn(void *argument) {
  int ends[2];
  char byte;
  (void)argument;
  if (pipe(ends)) return 0;
  while (!atomic_load(&stop)) {
    if (write(ends[1], "x", 1) != 1 || read(ends[0], &byte, 1) != 1) break;
    munmap(map(0, 4 * PAGE, 0), 4 * PAGE);
    atomic_fetch_add(&turn, 1);
  }
  return 0;
}

/* fork(2) and the end while others are in the program and in the kernel. */
static void forking(void) {
  pthread_t threads[4];
  long wrong = 0;
  start(threads, 2, spin, 0);
  start(threads + 2, 2, churn, 0);
  for (int i = 0; i < 40; i++) {
    pid_t child = fork();
    if (child == 0) {
      pthread_t own[2];
      atomic_store(&stop, 0);
      atomic_store(&ready, 0);
      start(own, 2, spin, 0);
      while (atomic_load(&ready) < 2) sched_yield();
      _exit(i % 100);
    }
    int status = -1;
    waitpid(child, &status, 0);
    wrong += !WIFEXITED(status) || WEXITSTATUS(status) != i % 100;
  }
  SHOW(wrong);
  fflush(stdout);
  _exit(3);
}

/* vfork(2) while others are in the program and in the kernel: they wait, and go on. */
static void spawning(void) {
  pthread_t threads[4];
  volatile long wrong = 0;
  start(threads, 2, spin, 0);
  start(threads + 2, 2, churn, 0);
  for (int i = 0; i < 40; i++) {
    volatile pid_t child = vfork();
    if (child == 0) _exit(i % 100);
    int status = -1;
    waitpid(child, &status, 0);
    wrong += !WIFEXITED(status) || WEXITSTATUS(status) != i % 100;
    long before = atomic_load(&turn);
    while (atomic_load(&turn) == before) sched_yield();
  }
  SHOW(wrong);
  atomic_store(&stop, 1);
  join(threads, 4);
}

/* Reads of a device that gives all that is asked for are whole, though the reader is preempted. */
static void reading(void) {
  pthread_t threads[2];
  long wrong = 0;
  start(threads, 2, spin, 0);
  int zero = open("/dev/zero", O_RDONLY);
  size_t bytes = 8 << 20;
  char *at = map(0, bytes, 0);
  for (int i = 0; i < 100; i++) wrong += read(zero, at, bytes) != (ssize_t)bytes;
  atomic_store(&stop, 1);
  join(threads, 2);
  SHOW(wrong);
}

static void nothing(int number) { (void)number; }

static void *rest(void *argument) {
  while (!atomic_load(&ready)) poll(0, 0, 20);
  return argument;
}

/* A process of which all threads wait, on several CPUs, is told of a child's end. Should that fail,
 * ppoll times out. */
static void waiting(void) {
  pthread_t threads[4];
  long missed = 0;
  sigset_t set, none;
  sigemptyset(&none);
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &set, 0);
  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = nothing}, 0);
  for (int i = 0; i < 5; i++) {
    atomic_store(&stop, 0);
    start(threads, 4, spin, 0);
    usleep(20000);
    atomic_store(&stop, 1);
    join(threads, 4);
    pid_t child = fork();
    if (child == 0) {
      usleep(30000);
      _exit(0);
    }
    atomic_store(&ready, 0);
    start(threads, 1, rest, 0);
    missed += ppoll(0, 0, &(struct timespec){5, 0}, &none) != -1;
    atomic_store(&ready, 1);
    join(threads, 1);
    waitpid(child, 0, 0);
  }
  SHOW(missed);
}

TESTS({"unmapping", unmapping}, {"protecting", protecting}, {"patching", patching}, {"growing", growing},
      {"signalling", signalling}, {"passing", passing}, {"asking", asking}, {"many", many}, {"forking", forking}, {"spawning", spawning}, {"reading", reading},
      {"waiting", waiting})
