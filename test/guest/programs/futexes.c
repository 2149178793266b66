/* Futexes between processes, locks with owners, and what is left when an owner dies. */
#include "check.h"

#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>

static long futex(void *word, int operation, uint32_t value, void *time, void *second, uint32_t third) {
  return syscall(SYS_futex, word, operation, value, time, second, third);
}

static void *share(size_t bytes) {
  return mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Ends when the child has; prints how. */
static void reap(pid_t child) {
  int status = 0;
  OK(waitpid(child, &status, 0) == child);
  printf("status %#x\n", status);
}

static void pause_for(int milliseconds) {
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  nanosleep(&time, 0);
}

static void raw_between(uint32_t *words) {
  pid_t child = fork();
  if (!child) {
    while (__atomic_load_n(&words[1], __ATOMIC_SEQ_CST) == 0)
      futex(&words[1], FUTEX_WAIT, 0, 0, 0, 0);
    words[2] = words[1] + 1;
    __atomic_store_n(&words[0], 1, __ATOMIC_SEQ_CST);
    futex(&words[0], FUTEX_WAKE, 1, 0, 0, 0);
    _exit(3);
  }
  pause_for(20);
  __atomic_store_n(&words[1], 41, __ATOMIC_SEQ_CST);
  SHOW(futex(&words[1], FUTEX_WAKE, 9, 0, 0, 0));
  while (__atomic_load_n(&words[0], __ATOMIC_SEQ_CST) == 0) futex(&words[0], FUTEX_WAIT, 0, 0, 0, 0);
  SHOW(words[2]);
  reap(child);
  memset(words, 0, 12);
}

static void shared(void) {
  uint32_t *anonymous = share(4096);
  raw_between(anonymous);
  int file = memfd_create("words", 0);
  SHOW(ftruncate(file, 8192));
  raw_between(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096));
  int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  uint32_t *segment = shmat(id, 0, 0);
  shmctl(id, IPC_RMID, 0);
  raw_between(segment);

  struct timespec soon = {0, 1000000}, wrong = {0, 1000000000};
  SHOW(futex(anonymous, FUTEX_WAIT, 1, 0, 0, 0));
  SHOW(futex(anonymous, FUTEX_WAIT, 0, &soon, 0, 0));
  SHOW(futex(anonymous, FUTEX_WAIT, 0, &wrong, 0, 0));
  SHOW(futex(anonymous, FUTEX_WAIT_BITSET, 0, &soon, 0, 1));
  SHOW(futex(anonymous, FUTEX_WAIT_BITSET, 0, &soon, 0, 0));
  SHOW(futex(anonymous, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &soon, 0, 1));
  SHOW(futex((char *)anonymous + 1, FUTEX_WAIT, 0, 0, 0, 0));
  SHOW(futex(anonymous, FUTEX_WAKE, 1, 0, 0, 0));
  SHOW(futex(anonymous, FUTEX_REQUEUE, 1, (void *)1, &anonymous[1], 0));
  SHOW(futex(anonymous, FUTEX_CMP_REQUEUE, 1, (void *)1, &anonymous[1], 7));
  SHOW(futex(anonymous, FUTEX_CMP_REQUEUE, 1, (void *)-1, &anonymous[1], 0));
  SHOW(futex(anonymous, FUTEX_WAKE_OP, 1, (void *)1, &anonymous[1], FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
  SHOW(anonymous[1]);
  SHOW(futex(0, FUTEX_WAKE, 1, 0, 0, 0));
  SHOW(futex(0, FUTEX_WAIT, 0, 0, 0, 0));
  SHOW(futex(anonymous, 99, 0, 0, 0, 0));
  SHOW(futex(anonymous, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &soon, 0, 0));

  /* Of two waiters one is woken, the other is moved and then woken there. */
  pid_t children[2];
  anonymous[0] = 0;
  for (int i = 0; i < 2; i++)
    if (!(children[i] = fork())) _exit(futex(anonymous, FUTEX_WAIT, 0, 0, 0, 0) == 0 ? 4 : 5);
  pause_for(100);
  SHOW(futex(anonymous, FUTEX_CMP_REQUEUE, 1, (void *)9, &anonymous[1], 0));
  SHOW(futex(anonymous, FUTEX_WAKE, 9, 0, 0, 0));
  SHOW(futex(&anonymous[1], FUTEX_WAKE, 9, 0, 0, 0));
  for (int i = 0; i < 2; i++) reap(children[i]);

  /* Shared memory stays so over two generations, and is zero. */
  unsigned char *large = share(3 << 20);
  OK(all(large, 0, 3 << 20));
  pid_t child = fork();
  if (!child) {
    pid_t grandchild = fork();
    if (!grandchild) {
      fill(large, 3 << 20);
      _exit(0);
    }
    waitpid(grandchild, 0, 0);
    _exit(filled(large, 3 << 20) ? 0 : 1);
  }
  reap(child);
  OK(filled(large, 3 << 20));
  SHOW(mprotect(large, 4096, PROT_READ));
  SHOW(madvise(large, 8192, MADV_DONTNEED));
  OK(filled(large, 3 << 20));
  SHOW(munmap(large, 3 << 20));
}

static void on_signal(int signal) { (void)signal; }

/* A handler ends a wait, or has it go on. */
static void signalled(void) {
  uint32_t *word = share(4096);
  for (int round = 0; round < 4; round++) {
    uint32_t *at = round < 2 ? word : &(uint32_t){0};
    int restart = round % 2 ? SA_RESTART : 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = restart};
    sigaction(SIGALRM, &action, 0);
    pid_t waker = 0;
    if (restart) {
      /* The wait goes on after the handler; here its word has changed meanwhile or it is woken. */
      waker = fork();
      if (!waker) {
        pause_for(300);
        futex(at, FUTEX_WAKE, 1, 0, 0, 0);
        _exit(0);
      }
    }
    struct itimerspec time = {.it_value = {0, 50000000}};
    timer_t timer;
    timer_create(CLOCK_MONOTONIC, 0, &timer);
    timer_settime(timer, 0, &time, 0);
    if (restart && round == 3) {
      /* Nobody else can wake a private word: the time does. */
      struct timespec end = {0, 200000000};
      SHOW(futex(at, FUTEX_WAIT, 0, &end, 0, 0));
    } else {
      SHOW(futex(at, FUTEX_WAIT, 0, 0, 0, 0));
    }
    timer_delete(timer);
    if (waker) reap(waker);
  }
}

struct both {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_barrier_t barrier;
  pthread_rwlock_t readers;
  sem_t items, done;
  long sum, turns;
};

static void make(pthread_mutex_t *lock, int type, int robust, int protocol) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_settype(&attributes, type);
  pthread_mutexattr_setrobust(&attributes, robust);
  pthread_mutexattr_setprotocol(&attributes, protocol);
  errno = pthread_mutex_init(lock, &attributes);
  if (errno) perror("pthread_mutex_init");
}

static void contend(struct both *both, int rounds) {
  for (int i = 0; i < rounds; i++) {
    pthread_mutex_lock(&both->lock);
    long before = both->sum;
    if (i % 64 == 0) sched_yield();
    both->sum = before + 1;
    pthread_mutex_unlock(&both->lock);
  }
}

static void *contend_thread(void *both) {
  contend(both, 2000);
  return 0;
}

/* The C library's objects between processes, and between threads of each. */
static void library(void) {
  struct both *both = share(sizeof *both);
  for (int kind = 0; kind < 4; kind++) {
    int robust = kind & 1 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED;
    int protocol = kind & 2 ? PTHREAD_PRIO_INHERIT : PTHREAD_PRIO_NONE;
    make(&both->lock, PTHREAD_MUTEX_NORMAL, robust, protocol);
    both->sum = 0;
    pid_t children[3];
    for (int i = 0; i < 3; i++)
      if (!(children[i] = fork())) {
        pthread_t thread;
        pthread_create(&thread, 0, contend_thread, both);
        contend(both, 2000);
        pthread_join(thread, 0);
        _exit(0);
      }
    contend(both, 2000);
    for (int i = 0; i < 3; i++) reap(children[i]);
    SHOW(both->sum);
  }
  pthread_condattr_t condition;
  pthread_condattr_init(&condition);
  pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(&both->changed, &condition);
  both->turns = 0;
  pid_t child = fork();
  for (int i = 0; i < 200; i++) {
    pthread_mutex_lock(&both->lock);
    while (both->turns % 2 != (child == 0)) pthread_cond_wait(&both->changed, &both->lock);
    both->turns++;
    pthread_cond_broadcast(&both->changed);
    pthread_mutex_unlock(&both->lock);
  }
  if (!child) _exit(0);
  reap(child);
  SHOW(both->turns);

  sem_init(&both->items, 1, 0);
  sem_init(&both->done, 1, 0);
  child = fork();
  if (!child) {
    for (int i = 0; i < 500; i++) sem_wait(&both->items), sem_post(&both->done);
    _exit(0);
  }
  for (int i = 0; i < 500; i++) sem_post(&both->items), sem_wait(&both->done);
  reap(child);
  struct timespec past = {1, 0};
  SHOW(sem_timedwait(&both->done, &past));
  SHOW(sem_trywait(&both->done));

  pthread_barrierattr_t barrier;
  pthread_barrierattr_init(&barrier);
  pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&both->barrier, &barrier, 3);
  pid_t children[2];
  for (int i = 0; i < 2; i++)
    if (!(children[i] = fork())) {
      for (int round = 0; round < 20; round++) pthread_barrier_wait(&both->barrier);
      _exit(0);
    }
  for (int round = 0; round < 20; round++) pthread_barrier_wait(&both->barrier);
  for (int i = 0; i < 2; i++) reap(children[i]);

  char name[64];
  snprintf(name, sizeof name, "/futexes-%d", getpid());
  sem_t *named = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
  OK(named != SEM_FAILED);
  child = fork();
  if (!child) {
    sem_t *other = sem_open(name, 0);
    if (other == SEM_FAILED) _exit(9);
    sem_wait(other);
    _exit(7);
  }
  pause_for(20);
  SHOW(sem_post(named));
  reap(child);
  SHOW(sem_unlink(name));
}

static struct both *robust_lock;
static pthread_mutex_t own_lock;

static void *lock_and_end(void *lock) {
  pthread_mutex_lock(lock);
  return 0;
}

static void after_death(const char *how) {
  printf("%s: %s, ", how, strerrorname_np(pthread_mutex_lock(&robust_lock->lock)));
  printf("%d, ", pthread_mutex_consistent(&robust_lock->lock));
  printf("%d\n", pthread_mutex_unlock(&robust_lock->lock));
}

/* A child that holds the lock ends in one of many ways. */
static void hold_and(void (*end)(void), const char *how, int waits) {
  int told[2];
  if (pipe(told)) exit(1);
  pid_t child = fork();
  if (!child) {
    pthread_mutex_lock(&robust_lock->lock);
    if (write(told[1], "x", 1) != 1) _exit(1);
    if (waits) pause_for(100);
    end();
    _exit(1);
  }
  char byte;
  if (read(told[0], &byte, 1) != 1) exit(1);
  int status;
  if (!waits) waitpid(child, &status, 0);
  after_death(how);
  if (waits) waitpid(child, &status, 0);
  printf("status %#x\n", status);
  close(told[0]);
  close(told[1]);
}

static void leave(void) { _exit(6); }
static void fault(void) { raise(SIGSEGV); }
static void killed(void) { kill(getpid(), SIGKILL); }
static void terminated(void) { kill(getpid(), SIGTERM); }
static void thread_ends(void) {
  pthread_mutex_unlock(&robust_lock->lock);
  pthread_t thread;
  pthread_create(&thread, 0, lock_and_end, &robust_lock->lock);
  pthread_join(thread, 0);
  pause_for(50);
  _exit(8);
}

static void robust(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  for (int protocol = 0; protocol < 2; protocol++) {
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutex_init(&own_lock, &attributes);
    pthread_t thread;
    pthread_create(&thread, 0, lock_and_end, &own_lock);
    pthread_join(thread, 0);
    printf("thread: %s\n", strerrorname_np(pthread_mutex_lock(&own_lock)));
    SHOW(pthread_mutex_consistent(&own_lock));
    SHOW(pthread_mutex_unlock(&own_lock));
    SHOW(pthread_mutex_lock(&own_lock));
    SHOW(pthread_mutex_unlock(&own_lock));
  }
  robust_lock = share(sizeof *robust_lock);
  for (int waits = 0; waits < 2; waits++) {
    make(&robust_lock->lock, PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
    hold_and(leave, "exit", waits);
    hold_and(fault, "fault", waits);
    hold_and(killed, "SIGKILL", waits);
    hold_and(terminated, "SIGTERM", waits);
    /* Who waits might get it before the thread does. */
    if (!waits) hold_and(thread_ends, "thread", waits);
  }
}

static pthread_mutex_t inheriting;
static int order[8], at;

static void *take_turn(void *number) {
  pthread_mutex_lock(&inheriting);
  order[at++] = (int)(long)number;
  pthread_mutex_unlock(&inheriting);
  return 0;
}

static uint32_t word, other;

static void *lock_raw(void *result) {
  *(long *)result = futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  *(long *)result += 10 * ((word & FUTEX_TID_MASK) == (uint32_t)gettid());
  *(long *)result += futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
  return 0;
}

static void *wait_requeue(void *result) {
  *(long *)result = futex(&other, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, 0, &word, 0);
  *(long *)result += 10 * ((word & FUTEX_TID_MASK) == (uint32_t)gettid());
  *(long *)result += futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
  return 0;
}

static void inherit(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  SHOW(pthread_mutex_init(&inheriting, &attributes));
  SHOW(pthread_mutex_lock(&inheriting));
  SHOW(pthread_mutex_lock(&inheriting));
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) {
    pthread_create(&threads[i], 0, take_turn, (void *)i);
    pause_for(20);
  }
  SHOW(pthread_mutex_unlock(&inheriting));
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  printf("order %d %d %d %d\n", order[0], order[1], order[2], order[3]);

  struct timespec past = {1, 0};
  uint32_t id = (uint32_t)gettid();
  long result[2] = {9, 9};
  SHOW(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0));
  OK(word == id);
  SHOW(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0));
  SHOW(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
  pthread_create(&threads[0], 0, lock_raw, result);
  pause_for(20);
  OK(word == (id | FUTEX_WAITERS));
  SHOW(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
  pthread_join(threads[0], 0);
  SHOW(result[0]);
  SHOW(word);
  SHOW(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
  /* An id that nobody has. */
  word = 0x3fffffff;
  SHOW(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, &past, 0, 0));
  word = 0;

  for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, wait_requeue, &result[i]);
  pause_for(50);
  SHOW(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
  SHOW(futex(&other, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)9, &word, 1));
  SHOW(futex(&other, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)9, &word, 0));
  OK(word == (id | FUTEX_WAITERS));
  SHOW(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
  for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
  SHOW(result[0]);
  SHOW(result[1]);
}

static void *end_with_lock(void *unused) {
  (void)unused;
  futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
  pause_for(50);
  return 0;
}

/* A thread ends with a lock that is in no list. */
static void forsaken(void) {
  pthread_t thread;
  uint32_t id = (uint32_t)gettid();
  pthread_create(&thread, 0, end_with_lock, 0);
  pause_for(20);
  SHOW(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
  OK((word & FUTEX_TID_MASK) == id && (word & FUTEX_OWNER_DIED));
  SHOW(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
  pthread_join(thread, 0);
}

static struct futex_waitv several[3];

static void *wait_for_several(void *result) {
  *(long *)result = syscall(SYS_futex_waitv, several, 3, 0, 0, 0);
  return 0;
}

static void vector(void) {
  uint32_t words[3] = {0};
  struct timespec past = {1, 0}, wrong = {0, 1000000000};
  for (int i = 0; i < 3; i++) several[i] = (struct futex_waitv){0, (uintptr_t)&words[i], 130, 0};
  SHOW(syscall(SYS_futex_waitv, several, 0, 0, 0, 0));
  SHOW(syscall(SYS_futex_waitv, several, 129, 0, 0, 0));
  SHOW(syscall(SYS_futex_waitv, several, 3, 1, 0, 0));
  SHOW(syscall(SYS_futex_waitv, 0, 3, 0, 0, 0));
  SHOW(syscall(SYS_futex_waitv, 8, 3, 0, 0, 0));
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, &past, CLOCK_MONOTONIC));
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, &past, CLOCK_REALTIME));
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, &past, 5));
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, &wrong, 1));
  words[2] = 1;
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, 0, 0));
  words[2] = 0;
  several[1].flags = 128;
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, 0, 0));
  several[1].flags = 130;
  several[1].__reserved = 1;
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, 0, 0));
  several[1].__reserved = 0;
  for (int i = 0; i < 4; i++) {
    long result = -9;
    pthread_t thread;
    pthread_create(&thread, 0, wait_for_several, &result);
    pause_for(20);
    int woken = i % 3;
    SHOW(futex(&words[woken], FUTEX_WAKE_PRIVATE, 5, 0, 0, 0));
    pthread_join(thread, 0);
    SHOW(result);
    for (int j = 0; j < 3; j++) SHOW(futex(&words[j], FUTEX_WAKE_PRIVATE, 5, 0, 0, 0));
  }
}

/* Several words at once, and requeueing to a lock, of words that processes share. */
static void among(void) {
  uint32_t *words = share(4096);
  struct timespec past = {1, 0};
  for (int i = 0; i < 3; i++) several[i] = (struct futex_waitv){0, (uintptr_t)&words[i], 2, 0};
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, &past, CLOCK_MONOTONIC));
  words[1] = 1;
  SHOW(syscall(SYS_futex_waitv, several, 3, 0, &past, CLOCK_MONOTONIC));
  words[1] = 0;
  int status;
  for (int i = 0; i < 3; i++) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(syscall(SYS_futex_waitv, several, 3, 0, 0, 0));
    while (futex(&words[i], FUTEX_WAKE, 5, 0, 0, 0) == 0) pause_for(1);
    SHOW(waitpid(child, &status, 0) == child);
    SHOW(WEXITSTATUS(status));
  }
  uint32_t *word = &words[8], *lock = &words[9];
  SHOW(futex(lock, FUTEX_LOCK_PI, 0, 0, 0, 0));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    if (futex(word, FUTEX_WAIT_REQUEUE_PI, 0, 0, lock, 0)) _exit(1);
    if ((*lock & FUTEX_TID_MASK) != (uint32_t)gettid()) _exit(2);
    _exit(futex(lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0) ? 3 : 4);
  }
  SHOW(futex(word, FUTEX_CMP_REQUEUE_PI, 1, (void *)5, lock, 9));
  while (futex(word, FUTEX_CMP_REQUEUE_PI, 1, (void *)5, lock, 0) == 0) pause_for(1);
  pause_for(10);
  SHOW(waitpid(child, &status, WNOHANG));
  SHOW(futex(lock, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  SHOW(waitpid(child, &status, 0) == child);
  SHOW(WEXITSTATUS(status));
  SHOW(*lock);
}

/* The calls of Linux 6.7. */
static void newer(void) {
  uint32_t *words = share(4096);
  struct timespec soon = {0, 1000000};
  for (unsigned flags = 2; flags <= 130; flags += 128) {
    SHOW(syscall(454, words, 1UL, 1, flags));
    SHOW(syscall(454, words, 0UL, 1, flags));
    SHOW(syscall(454, words, 1UL, 0, flags));
    SHOW(syscall(455, words, 1UL, 1UL, flags, 0, 0));
    SHOW(syscall(455, words, 0UL, 1UL, flags, &soon, CLOCK_MONOTONIC));
    SHOW(syscall(455, words, 0UL, 1UL, flags, &soon, CLOCK_REALTIME));
    SHOW(syscall(455, words, 0UL, 1UL, flags, &soon, 5));
    SHOW(syscall(455, words, 0UL, 1UL, flags | 1, &soon, 1));
    SHOW(syscall(455, words, 1UL << 32, 1UL, flags, &soon, 1));
    struct futex_waitv pair[3] = {{0, (uintptr_t)words, flags, 0}, {0, (uintptr_t)&words[1], flags, 0}};
    SHOW(syscall(456, pair, 0, 1, 1));
    SHOW(syscall(456, pair, 1, 1, 1));
    pair[0].val = 3;
    SHOW(syscall(456, pair, 0, 1, 1));
  }
}

TESTS({"shared", shared}, {"signalled", signalled}, {"library", library}, {"robust", robust},
      {"inherit", inherit}, {"forsaken", forsaken}, {"vector", vector}, {"among", among}, {"newer", newer})
