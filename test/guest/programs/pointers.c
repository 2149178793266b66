/* Bad addresses in every position of every call that takes one, and arguments that are too large. */
#include "check.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/xattr.h>
#include <sys/uio.h>

/* The program's end, below which a page is missing; unmapped; read-only; not canonical; the kernel's. */
static uintptr_t places[7];
static const char *const labels[7] = {"null", "one", "unmapped", "read-only", "across", "not canonical", "kernel"};

static char *at;

static void setup(void) {
  at = mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(at, 'x', 4 * 4096);
  munmap(at + 4096, 4096);
  memset(at + 2 * 4096, 0, 4096);
  mprotect(at + 2 * 4096, 4096, PROT_READ);
  places[1] = 1;
  places[2] = (uintptr_t)at + 4096;
  places[3] = (uintptr_t)at + 2 * 4096;
  places[4] = (uintptr_t)at + 4096 - 3;
  places[5] = 0x8000000000000000;
  places[6] = 0xffff800000001000;
}

struct call {
  const char *name;
  int number, position;
  long args[6];
};

#define HERE ((long)AT_FDCWD)
static char path[] = "file", text[8192], *const good = text;
/* Ready at any time, as a file is. */
static uint64_t set[16] = {1 << 7}, header = 0x20080522;
static struct pollfd ready = {7, POLLOUT, 0};

static void try(const struct call *call, size_t place) {
  long args[6];
  memset(at, 'x', 4096);
  memcpy(args, call->args, sizeof args);
  args[call->position] = (long)places[place];
  long result = syscall(call->number, args[0], args[1], args[2], args[3], args[4], args[5]);
  int error = errno;
  lseek(3, 0, SEEK_SET), lseek(4, 0, SEEK_SET);
  printf("%s, argument %d %s: ", call->name, call->position, labels[place]);
  if (result == -1)
    puts(strerrorname_np(error));
  else
    printf("%ld\n", result);
}

#define CALL(name, position, ...) {#name, SYS_##name, position, {__VA_ARGS__}}

static void all_calls(void) {
  long file = (long)path, there = (long)good;
  struct iovec vector = {text, 100};
  long one = (long)&vector;
  struct call calls[] = {
      CALL(read, 1, 3, 0, 100), CALL(write, 1, 3, 0, 100), CALL(pread64, 1, 3, 0, 100, 0),
      CALL(pwrite64, 1, 3, 0, 100, 0), CALL(readv, 1, 3, 0, 1), CALL(writev, 1, 3, 0, 1), CALL(open, 0, 0, O_RDONLY),
      CALL(openat, 1, HERE, 0, O_RDONLY), CALL(stat, 0, 0, there), CALL(stat, 1, file, 0), CALL(fstat, 1, 3, 0),
      CALL(lstat, 1, file, 0), CALL(newfstatat, 1, HERE, 0, there, 0), CALL(newfstatat, 2, HERE, file, 0, 0),
      CALL(statx, 4, HERE, file, 0, 0x7ff, 0), CALL(access, 0, 0, 0), CALL(pipe, 0, 0), CALL(pipe2, 0, 0, 0),
      CALL(getcwd, 0, 0, 100), CALL(chdir, 0, 0), CALL(mkdir, 0, 0, 0), CALL(rmdir, 0, 0), CALL(unlink, 0, 0),
      CALL(rename, 0, 0, file), CALL(rename, 1, file, 0), CALL(link, 1, file, 0), CALL(symlink, 0, 0, file),
      CALL(readlink, 0, 0, there, 100), CALL(readlink, 1, (long)"link", 0, 100), CALL(chmod, 0, 0, 0644),
      CALL(truncate, 0, 0, 0), CALL(getdents64, 1, 4, 0, 1000), CALL(uname, 0, 0), CALL(sysinfo, 0, 0),
      CALL(getrusage, 1, 0, 0), CALL(getrlimit, 1, 7, 0), CALL(setrlimit, 1, 4, 0),
      CALL(prlimit64, 2, 0, 4, 0, 0), CALL(prlimit64, 3, 0, 4, 0, 0), CALL(clock_gettime, 1, 0, 0),
      CALL(clock_getres, 1, 0, 0), CALL(gettimeofday, 0, 0, 0), CALL(nanosleep, 0, 0, 0),
      CALL(clock_nanosleep, 2, 0, 0, 0, 0), CALL(poll, 0, 0, 1, 0), CALL(ppoll, 0, 0, 1, there, 0, 0),
      CALL(ppoll, 2, (long)&ready, 1, 0, 0, 0), CALL(pselect6, 1, 8, 0, (long)set, 0, there, 0), CALL(pselect6, 4, 8, 0, (long)set, 0, 0, 0),
      CALL(epoll_wait, 1, 5, 0, 8, 0), CALL(epoll_ctl, 3, 5, EPOLL_CTL_MOD, 6, 0), CALL(rt_sigaction, 1, 10, 0, 0, 8),
      CALL(rt_sigaction, 2, 10, 0, 0, 8), CALL(rt_sigprocmask, 1, 0, 0, 0, 8), CALL(rt_sigprocmask, 2, 0, 0, 0, 8),
      CALL(rt_sigpending, 0, 0, 8), CALL(sigaltstack, 1, 0, 0), CALL(getresuid, 0, 0, there, there),
      CALL(getresuid, 2, there, there, 0), CALL(getgroups, 1, 64, 0), CALL(statfs, 1, file, 0), CALL(fstatfs, 1, 3, 0),
      CALL(utimensat, 1, HERE, 0, 0, 0), CALL(utimensat, 2, HERE, file, 0, 0), CALL(getrandom, 0, 0, 100, 0),
      CALL(fcntl, 2, 3, F_GETLK, 0), CALL(fcntl, 2, 3, F_SETLK, 0), CALL(ioctl, 2, 3, 0x541b, 0),
      CALL(setxattr, 1, file, 0, there, 4, 0), CALL(setxattr, 2, file, (long)"user.a", 0, 4, 0),
      CALL(getxattr, 2, file, (long)"user.b", 0, 4), CALL(listxattr, 1, file, 0, 100), CALL(sendfile, 2, 3, 3, 0, 10),
      CALL(copy_file_range, 1, 3, 0, 7, 0, 10, 0), CALL(preadv, 1, 3, 0, 1, 0), CALL(pwritev, 1, 3, 0, 1, 0),
      CALL(memfd_create, 0, 0, 0), CALL(timerfd_settime, 2, 8, 0, 0, 0), CALL(timerfd_gettime, 1, 8, 0),
      CALL(sched_getaffinity, 2, 0, 8, 0), CALL(mincore, 2, (long)text & -4096, 4096, 0),
      CALL(arch_prctl, 1, 0x1003, 0), CALL(prctl, 1, 15, 0), CALL(prctl, 1, 16, 0), CALL(capget, 1, (long)&header, 0),
      CALL(openat2, 2, HERE, file, 0, 24), CALL(futex, 0, 0, 129, 1),
  };
  setup();
  open(path, O_RDWR | O_CREAT, 0644), open(".", O_RDONLY), epoll_create1(0), eventfd(1, 0), open("other", O_RDWR | O_CREAT, 0600);
  syscall(SYS_timerfd_create, 1, 0);
  epoll_ctl(5, EPOLL_CTL_ADD, 6, &(struct epoll_event){.events = EPOLLIN});
  if (write(3, text, sizeof text) < 0 || symlink("target", "link") || setxattr("file", "user.b", "1", 1, 0)) perror("setup");
  lseek(3, 0, SEEK_SET);
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
    for (size_t place = 0; place < 7; place++) try(&calls[i], place);
  for (size_t place = 0; place < 7; place++) {
    vector.iov_base = (void *)places[place];
    printf("vector %s: ", labels[place]);
    SHOW(syscall(SYS_readv, 3, one, 1));
    struct iovec two[2] = {{text + 4096, 10}, {(void *)places[place], 10}};
    lseek(3, 0, SEEK_SET);
    SHOW(readv(3, two, 2));
    SHOW(writev(7, two, 2));
  }
}

TESTS({"all", all_calls})
