/* How the process is scheduled, and how far its clocks are ahead of those in its arguments (seconds
 * of CLOCK_MONOTONIC and CLOCK_BOOTTIME), read by the vDSO and by system calls. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include "check.h"

static long ahead(clockid_t clock, const char *base, int by_call) {
  struct timespec now;
  if (by_call)
    syscall(SYS_clock_gettime, clock, &now);
  else
    clock_gettime(clock, &now);
  return now.tv_sec - atol(base);
}

/* In steps that the time the test takes does not cross. */
#define HOURS(seconds) (((seconds) + 1800) / 3600)

int main(int argc, char **argv) {
  cpu_set_t cpus;
  SHOW(sched_getscheduler(0));
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(syscall(SYS_ioprio_get, 1, 0));
  sched_getaffinity(0, sizeof cpus, &cpus);
  SHOW(CPU_COUNT(&cpus));
  SHOW(CPU_ISSET(1, &cpus));
  for (int by_call = 0; argc == 3 && by_call < 2; by_call++) {
    SHOW(HOURS(ahead(CLOCK_MONOTONIC, argv[1], by_call)));
    SHOW(HOURS(ahead(CLOCK_BOOTTIME, argv[2], by_call)));
  }
  return 0;
}
