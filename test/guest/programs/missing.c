/* Asks for what is not supported, then waits to be killed. */
#include "check.h"

#include <sys/ioctl.h>

/* What executes it shares the count. */
static void again(void) { TRY(ioctl(0, 0x4711, 0)); }

static void missing(void) {
  for (int i = 0; i < 3; i++) TRY(syscall(SYS_io_setup, 1, NULL));
  TRY(syscall(SYS_bpf, 0, NULL, 0));
  TRY(syscall(400));
  TRY(ioctl(0, 0x4711, 0));
  if (fork() == 0) {
    execl("./missing", "missing", "again", NULL);
    _exit(1);
  }
  pause();
}

TESTS({"missing", missing}, {"again", again})
