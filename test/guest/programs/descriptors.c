/* Descriptors: their numbers, their flags, and locks. */
#include "check.h"

#include <sys/file.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int make(const char *name) { return open(name, O_RDWR | O_CREAT | O_TRUNC, 0644); }

static void locks(void) {
  int fd = make("file"), other = open("file", O_RDWR);
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 5, .l_len = 10};
  SHOW(fcntl(fd, F_SETLK, &lock));
  lock.l_pid = 0;
  SHOW(fcntl(other, F_GETLK, &lock));
  SHOW(lock.l_type);
  SHOW(fcntl(fd, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK, .l_start = 20, .l_len = 5}));
  SHOW(fcntl(other, F_OFD_SETLK, &(struct flock){.l_type = F_RDLCK, .l_start = 22, .l_len = 1}));
  lock = (struct flock){.l_type = F_RDLCK, .l_start = 0, .l_len = 100};
  SHOW(fcntl(other, F_OFD_GETLK, &lock));
  SHOW(lock.l_start);
  SHOW(flock(fd, LOCK_EX | LOCK_NB));
  SHOW(flock(other, LOCK_SH | LOCK_NB));
  SHOW(flock(fd, LOCK_UN));
  SHOW(flock(other, LOCK_SH | LOCK_NB));
  SHOW(fcntl(fd, F_SETLK, &(struct flock){.l_type = 99}));
  SHOW(fcntl(fd, 9999));
}

static void numbers(void) {
  int fd = make("file");
  SHOW(fd);
  SHOW(dup(fd));
  SHOW(dup2(fd, 20));
  SHOW(dup2(fd, fd));
  SHOW(dup2(99, 21));
  SHOW(dup2(99, 99));
  SHOW(dup3(fd, 22, O_CLOEXEC));
  SHOW(dup3(fd, fd, 0));
  SHOW(dup3(fd, 23, 0x40));
  SHOW(dup2(fd, -1));
  SHOW(dup2(fd, 1 << 30));
  SHOW(fcntl(22, F_GETFD));
  SHOW(fcntl(fd, F_DUPFD, 50));
  SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 50));
  SHOW(fcntl(51, F_GETFD));
  SHOW(fcntl(fd, F_DUPFD, 1 << 30));
  SHOW(write(fd, "shared offset", 13));
  SHOW(lseek(20, 0, SEEK_CUR));
  SHOW(close_range(20, 22, 0));
  SHOW(write(20, "x", 1));
  SHOW(close_range(50, ~0U, CLOSE_RANGE_CLOEXEC));
  SHOW(fcntl(50, F_GETFD));
  SHOW(close_range(30, 20, 0));
  SHOW(close_range(3, ~0U, 0));
  SHOW(close(3));
  SHOW(open("file", O_RDONLY));
  int made = 0;
  struct { unsigned long soft, hard; } limit = {64, 1024};
  SHOW(syscall(SYS_setrlimit, 7, &limit));
  while (open("file", O_RDONLY) >= 0) made++;
  SHOW(made);
  SHOW(dup2(3, 64));
  SHOW(pipe((int[2]){0}));
  SHOW(close(-1));
  SHOW(ioctl(3, TIOCGWINSZ, (char[16]){0}));
  SHOW(ioctl(3, 0x12345678, 0));
  SHOW(isatty(3));
}

static volatile sig_atomic_t told;

static void tell(int number) { told = number; }

/* fcntl(2), F_NOTIFY: a directory's changes come as signals. */
static void notices(void) {
  int fd = open(".", O_RDONLY | O_DIRECTORY);
  signal(SIGIO, tell);
  SHOW(fcntl(fd, F_NOTIFY, DN_MULTISHOT));
  SHOW(fcntl(make("file"), F_NOTIFY, DN_CREATE));
  SHOW(fcntl(fd, F_NOTIFY, DN_CREATE));
  close(make("made"));
  for (int i = 0; i < 1000 && !told; i++) usleep(1000);
  OK(told == SIGIO);
  told = 0;
  close(make("again"));
  usleep(10000);
  OK(told == 0);
}

/* The commands of ioctl(2) that any descriptor or a file knows. */
static void commands(void) {
  int fd = make("file"), other = make("other"), on = 1, ends[2];
  SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  signal(SIGIO, tell);
  SHOW(ioctl(ends[0], FIOASYNC, &on));
  SHOW(fcntl(ends[0], F_GETFL) & O_ASYNC);
  SHOW(fcntl(ends[0], F_SETOWN, getpid()));
  OK(fcntl(ends[0], F_GETOWN) == getpid());
  SHOW(write(ends[1], "x", 1));
  for (int i = 0; i < 1000 && !told; i++) usleep(1000);
  OK(told == SIGIO);
  SHOW(ioctl(ends[0], FIOASYNC, &(int){0}));
  SHOW(fcntl(ends[0], F_GETFL) & O_ASYNC);
  SHOW(ioctl(ends[0], FIOASYNC, (int *)8));
  SHOW(ioctl(fd, FIOASYNC, &on));
  SHOW(ioctl(fd, FIOCLEX));
  SHOW(fcntl(fd, F_GETFD));
  int flags = 0;
  struct fsxattr attributes = {0};
  TRY(ioctl(fd, FS_IOC_GETFLAGS, &flags));
  TRY(ioctl(fd, FS_IOC_SETFLAGS, &flags));
  TRY(ioctl(fd, FS_IOC_FSGETXATTR, &attributes));
  TRY(ioctl(fd, FS_IOC_FSSETXATTR, &attributes));
  SHOW(ioctl(other, FICLONE, fd));
  SHOW(ioctl(other, FICLONE, 99));
  int64_t bytes = 0;
  SHOW(write(fd, "0123456789", 10));
  TRY(ioctl(fd, FIOQSIZE, &bytes));
}

TESTS({"locks", locks}, {"numbers", numbers}, {"commands", commands}, {"notices", notices})
