/* Reading and writing: files, pipes, vectors, holes, large buffers. */
#include "check.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

enum { PAGE = 4096, MIB = 1 << 20 };

static int make(const char *name) { return open(name, O_RDWR | O_CREAT | O_TRUNC, 0644); }

static void positions(void) {
  char text[64] = {0};
  int fd = make("file");
  SHOW(write(fd, "0123456789", 10));
  SHOW(lseek(fd, 3, SEEK_SET));
  SHOW(read(fd, text, 4));
  SHOW(lseek(fd, 0, SEEK_CUR));
  SHOW(pread(fd, text, 64, 8));
  SHOW(pwrite(fd, "abc", 3, 20));
  SHOW(lseek(fd, 0, SEEK_CUR));
  SHOW(lseek(fd, 0, SEEK_END));
  SHOW(lseek(fd, -30, SEEK_CUR));
  SHOW(lseek(fd, 0, 9));
  SHOW(pread(fd, text, 1, -1));
  SHOW(read(fd, text, 64));
  SHOW(pread(fd, text, 64, 5));
  OK(!memcmp(text, "56789\0\0\0\0\0\0\0\0\0\0abc", 18));
  struct iovec parts[4] = {{text, 2}, {text + 2, 0}, {text + 10, 3}, {text + 20, 60}};
  SHOW(lseek(fd, 0, SEEK_SET));
  SHOW(readv(fd, parts, 3));
  OK(!memcmp(text, "01", 2) && !memcmp(text + 10, "234", 3));
  SHOW(preadv(fd, parts, 3, 4));
  SHOW(preadv2(fd, parts, 3, -1, 0));
  SHOW(preadv2(fd, parts, 3, 0, 0x4000));
  SHOW(pwritev(fd, parts, 3, 30));
  SHOW(pwritev2(fd, parts, 1, 0, RWF_APPEND));
  SHOW(writev(fd, parts, 0));
  SHOW(syscall(SYS_writev, fd, parts, -1));
  SHOW(syscall(SYS_writev, fd, parts, 1025));
  parts[1].iov_len = (size_t)-1;
  SHOW(writev(fd, parts, 3));
  SHOW(lseek(fd, 0, SEEK_END));
  SHOW(read(fd, text, 0));
  SHOW(write(fd, 0, 0));
  SHOW(read(99, text, 1));
  SHOW(read(99, 0, 0));
  SHOW(write(open("file", O_RDONLY), text, 1));
  SHOW(read(open("file", O_WRONLY), text, 1));
}

static void holes(void) {
  int fd = make("sparse"), other = make("other");
  SHOW(pwrite(fd, "x", 1, 10 * MIB));
  SHOW(lseek(fd, 0, SEEK_DATA));
  SHOW(lseek(fd, 0, SEEK_HOLE));
  SHOW(lseek(fd, 10 * MIB, SEEK_HOLE));
  SHOW(lseek(fd, 11 * MIB, SEEK_DATA));
  struct stat stat;
  fstat(fd, &stat);
  OK(stat.st_blocks < 100);
  SHOW(ftruncate(fd, 20 * MIB));
  char *data = malloc(MIB);
  SHOW(pread(fd, data, MIB, 15 * MIB));
  OK(all(data, 0, MIB));
  SHOW(posix_fallocate(other, 0, MIB));
  SHOW(fallocate(other, 1, MIB, MIB));
  SHOW(fallocate(other, 99, MIB, MIB));
  fstat(other, &stat);
  SHOW(stat.st_size);
  fill(data, MIB);
  SHOW(pwrite(fd, data, MIB, 0));
  off_t from = 100, to = 5;
  SHOW(sendfile(other, fd, &from, 1000));
  SHOW(from);
  SHOW(copy_file_range(fd, &from, other, &to, 5000, 0));
  SHOW(from + to);
  SHOW(pread(other, data, 5000, 5));
  OK(data[0] == (char)pattern(1100));
  SHOW(fsync(fd) + fdatasync(fd) + syncfs(fd));
  SHOW(fsync(99));
  SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) + readahead(fd, 0, MIB));
}

/* One call over memory whose pages lie anywhere in the machine's. */
static void large(void) {
  size_t bytes = 64UL * MIB;
  int fd = make("large");
  char *at = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (size_t page = 0; page < bytes; page += 3 * PAGE) mprotect(at + page, PAGE, PROT_READ);
  for (size_t page = 0; page < bytes; page += 3 * PAGE) mprotect(at + page, PAGE, PROT_READ | PROT_WRITE);
  fill(at, bytes);
  SHOW(write(fd, at, bytes));
  madvise(at, bytes, MADV_DONTNEED);
  for (size_t page = bytes; page > 0; page -= 2 * PAGE) at[page - PAGE] = 1;
  SHOW(pread(fd, at, bytes, 0));
  OK(filled(at, bytes));
  struct iovec parts[1024];
  for (size_t i = 0; i < 1024; i++) parts[i] = (struct iovec){at + (i * 577 % 1024) * 16 * PAGE + i, 8 * PAGE};
  memset(at, 0, bytes);
  SHOW(preadv(fd, parts, 1024, 0));
  int wrong = 0;
  for (size_t i = 0; i < 1024; i++) wrong += ((char *)parts[i].iov_base)[5] != (char)pattern(i * 8 * PAGE + 5);
  SHOW(wrong);
  SHOW(write(open("/dev/null", O_WRONLY), at, 1UL << 40));
  SHOW(read(open("/dev/zero", O_RDONLY), at, bytes));
  OK(all(at, 0, bytes));
}

static void pipes(void) {
  int ends[2], count = 0;
  char text[PAGE] = {0};
  SHOW(pipe(ends));
  SHOW(write(ends[1], "through", 7));
  SHOW(ioctl(ends[0], FIONREAD, &count));
  SHOW(count);
  SHOW(read(ends[0], text, 100));
  puts(text);
  SHOW(lseek(ends[0], 0, SEEK_CUR));
  SHOW(pread(ends[0], text, 1, 0));
  SHOW(read(ends[1], text, 1));
  SHOW(fcntl(ends[1], F_SETFL, O_NONBLOCK));
  SHOW(fcntl(ends[0], F_SETFL, O_NONBLOCK));
  SHOW(read(ends[0], text, 1));
  for (count = 0; write(ends[1], text, PAGE) == PAGE;) count++;
  SHOW(count);
  SHOW(write(ends[1], text, 1));
  SHOW(read(ends[0], text, PAGE));
  SHOW(write(ends[1], text, PAGE));
  SHOW(fcntl(ends[1], F_GETPIPE_SZ));
  SHOW(fcntl(ends[1], F_SETPIPE_SZ, MIB));
  SHOW(close(ends[1]));
  for (count = 0; read(ends[0], text, PAGE) > 0;) count++;
  SHOW(count);
  SHOW(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
  SHOW(fcntl(ends[0], F_GETFD) + fcntl(ends[0], F_GETFL));
  SHOW(close(ends[0]));
  signal(SIGPIPE, SIG_IGN);
  SHOW(write(ends[1], "x", 1));
  SHOW(pipe2(ends, 0x7777));
  SHOW(pipe(0));
}

/* A reader gone: the writer dies. */
static void broken(void) {
  int ends[2];
  SHOW(pipe(ends));
  close(ends[0]);
  SHOW(write(ends[1], "x", 1));
}

TESTS({"positions", positions}, {"holes", holes}, {"large", large}, {"pipes", pipes}, {"broken", broken})
