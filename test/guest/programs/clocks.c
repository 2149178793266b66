/* The clocks, read in the two ways that a program has. Prints a line for each: its name, then
 * nanoseconds by the vDSO, by the system call, and by the vDSO again. Then whether there is a vDSO. */
#include "check.h"

#include <sys/auxv.h>
#include <time.h>

struct clock {
  const char *name;
  clockid_t id;
};

#define CLOCK(name) {#name, CLOCK_##name}
static const struct clock clocks[] = {CLOCK(REALTIME), CLOCK(MONOTONIC), CLOCK(MONOTONIC_RAW), CLOCK(BOOTTIME),
                                      CLOCK(TAI)};

static long long nanoseconds(const struct timespec *time) { return time->tv_sec * 1000000000LL + time->tv_nsec; }

static void read_all(void) {
  for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
    struct timespec before, between, after;
    clock_gettime(clocks[i].id, &before);
    syscall(SYS_clock_gettime, clocks[i].id, &between);
    clock_gettime(clocks[i].id, &after);
    printf("%s %lld %lld %lld\n", clocks[i].name, nanoseconds(&before), nanoseconds(&between), nanoseconds(&after));
  }
  printf("vdso %d\n", getauxval(AT_SYSINFO_EHDR) != 0);
}

/* Whether time ever goes back, and whether a file's time lies between two readings. */
static void order(void) {
  struct timespec last = {0, 0}, now;
  int back = 0;
  for (int i = 0; i < 20000; i++) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    back += nanoseconds(&now) < nanoseconds(&last);
    last = now;
  }
  printf("back %d\n", back);
  struct stat made;
  clock_gettime(CLOCK_REALTIME_COARSE, &last);
  int file = open("made", O_CREAT | O_EXCL | O_WRONLY, 0600);
  TRY(fstat(file, &made));
  /* Where times of files are finer than the coarse clock, they run ahead of it. */
  clock_gettime(CLOCK_REALTIME, &now);
  OK(nanoseconds(&made.st_mtim) >= nanoseconds(&last));
  OK(nanoseconds(&made.st_mtim) <= nanoseconds(&now));
  TRY(unlink("made"));
}

TESTS({"read", read_all}, {"order", order})
