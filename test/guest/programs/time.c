/* Clocks and sleeping. */
#include "check.h"

#include <sys/time.h>
#include <time.h>

static int64_t of(struct timespec time) { return time.tv_sec * 1000000000L + time.tv_nsec; }

static int64_t by_library(clockid_t clock) {
  struct timespec time = {-1, -1};
  return clock_gettime(clock, &time) ? -1 : of(time);
}

static int64_t by_call(clockid_t clock) {
  struct timespec time = {-1, -1};
  return syscall(SYS_clock_gettime, clock, &time) ? -1 : of(time);
}

static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
                                   CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
                                   CLOCK_TAI};

static void reading(void) {
  for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    int back = 0, apart = 0;
    int64_t last = by_library(clocks[i]);
    for (int round = 0; round < 200; round++) {
      int64_t one = by_library(clocks[i]), two = by_call(clocks[i]);
      back += one < last || two < one;
      apart += two - one > 200000000;
      last = two;
    }
    struct timespec resolution;
    SHOW(clock_getres(clocks[i], &resolution));
    printf("clock %d: %d back, %d apart, resolution %ld\n", clocks[i], back, apart, (long)of(resolution));
    OK(last >= 0);
  }
  SHOW(by_call(99));
  SHOW(by_library(99));
  struct timeval now;
  SHOW(gettimeofday(&now, 0));
  OK(llabs(by_library(CLOCK_REALTIME) - (now.tv_sec * 1000000L + now.tv_usec) * 1000) < 1000000000);
  OK(llabs(time(0) - now.tv_sec) <= 1 && llabs(syscall(SYS_time, 0) - now.tv_sec) <= 1);
  SHOW(syscall(SYS_gettimeofday, &now, 0));
  /* A file's times are of the same clock. */
  struct stat stat;
  int64_t before = by_library(CLOCK_REALTIME_COARSE);
  close(open("now", O_CREAT | O_RDWR, 0600));
  SHOW(lstat("now", &stat));
  OK(of(stat.st_mtim) >= before && of(stat.st_mtim) <= by_library(CLOCK_REALTIME));
  /* Work shows in the clock of the process. */
  int64_t work = by_library(CLOCK_PROCESS_CPUTIME_ID);
  for (volatile int i = 0; i < 20000000; i++) continue;
  OK(by_library(CLOCK_PROCESS_CPUTIME_ID) - work > 1000000);
}

static void sleeping(void) {
  int64_t before = by_library(CLOCK_MONOTONIC);
  SHOW(nanosleep(&(struct timespec){0, 30000000}, 0));
  int64_t after = by_library(CLOCK_MONOTONIC);
  OK(after - before >= 30000000 && after - before < 1000000000);
  before = after;
  SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){0, 20000000}, 0));
  after = by_library(CLOCK_MONOTONIC);
  OK(after - before >= 20000000 && after - before < 1000000000);
  int64_t until = after + 20000000;
  SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &(struct timespec){until / 1000000000, until % 1000000000}, 0));
  OK(by_library(CLOCK_MONOTONIC) >= until);
  SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &(struct timespec){5, 0}, 0));
  SHOW(nanosleep(&(struct timespec){0, 1000000000}, 0));
  SHOW(nanosleep(&(struct timespec){-1, 0}, 0));
  SHOW(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &(struct timespec){0, 1}, 0));
  SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){0, 1}, 0));
  SHOW(clock_nanosleep(99, 0, &(struct timespec){0, 1}, 0));
  SHOW(usleep(1000));
  SHOW(sleep(0));
  struct timespec timeout = {0, 10000000};
  int word = 5;
  SHOW(syscall(SYS_futex, &word, 0, 4, &timeout));
  before = by_library(CLOCK_MONOTONIC);
  SHOW(syscall(SYS_futex, &word, 0, 5, &timeout));
  after = by_library(CLOCK_MONOTONIC);
  OK(after - before >= 10000000 && after - before < 1000000000);
}

TESTS({"reading", reading}, {"sleeping", sleeping})
