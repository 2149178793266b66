/* Asks for what is not supported, then waits to be killed. */
#include "check.h"

#include <sys/ioctl.h>

static void missing(void) {
  for (int i = 0; i < 3; i++) TRY(syscall(SYS_io_setup, 1, NULL));
  TRY(syscall(SYS_bpf, 0, NULL, 0));
  TRY(syscall(400));
  TRY(ioctl(0, 0x4711, 0));
  if (fork() == 0) {
    TRY(ioctl(0, 0x4711, 0));
    _exit(0);
  }
  pause();
}

TESTS({"missing", missing})
