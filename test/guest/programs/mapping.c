/* Files in memory. */
#include "check.h"

#include <signal.h>
#include <sys/resource.h>

enum { PAGE = 4096 };

/* A file of that many bytes, each telling its place. */
static int make(const char *name, size_t bytes) {
  int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  char *data = malloc(bytes);
  fill(data, bytes);
  if (write(fd, data, bytes) != (ssize_t)bytes) perror("write");
  free(data);
  return fd;
}

static void *map(int fd, size_t bytes, int protection, int flags, off_t offset) {
  return mmap(0, bytes, protection, flags, fd, offset);
}

static void private_(void) {
  int fd = make("file", 10 * PAGE + 100);
  char *at = map(fd, 11 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0), byte = 0;
  OK(filled(at, 10 * PAGE + 100));
  OK(all(at + 10 * PAGE + 100, 0, PAGE - 100));
  memset(at + PAGE, 7, PAGE);
  SHOW(pread(fd, &byte, 1, PAGE + 5));
  OK(byte == (char)pattern(PAGE + 5));
  char *other = map(fd, 3 * PAGE, PROT_READ, MAP_PRIVATE, 4 * PAGE);
  OK(other[0] == (char)pattern(4 * PAGE) && other[3 * PAGE - 1] == (char)pattern(7 * PAGE - 1));
  SHOW(close(fd));
  OK(other[PAGE] == (char)pattern(5 * PAGE));
  SHOW(madvise(at + PAGE, PAGE, MADV_DONTNEED));
  OK(filled(at, 10 * PAGE));
  SHOW(mprotect(other, PAGE, PROT_READ | PROT_WRITE));
  other[0] = 1;
  memset(at, 7, 3 * PAGE);
  SHOW(madvise(at, PAGE, MADV_DONTNEED));
  OK(filled(at, PAGE) && all(at + PAGE, 7, 2 * PAGE));
  SHOW(madvise(at, 11 * PAGE, MADV_DONTNEED));
  SHOW(munmap(at + PAGE, PAGE));
  OK(at[0] == (char)pattern(0) && at[2 * PAGE] == (char)pattern(2 * PAGE));
  SHOW(munmap(other, 3 * PAGE));
}

static void shared(void) {
  int fd = make("file", 4 * PAGE);
  char *at = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0), text[6] = {0};
  memcpy(at + PAGE, "hello", 5);
  SHOW(pread(fd, text, 5, PAGE));
  OK(!strcmp(text, "hello"));
  SHOW(pwrite(fd, "world", 5, 2 * PAGE));
  OK(!memcmp(at + 2 * PAGE, "world", 5));
  char *second = map(fd, PAGE, PROT_READ, MAP_SHARED, PAGE);
  OK(!memcmp(second, "hello", 5));
  memcpy(at + PAGE, "again", 5);
  OK(!memcmp(second, "again", 5));
  SHOW(msync(at, 4 * PAGE, MS_SYNC));
  SHOW(mprotect(second, PAGE, PROT_READ | PROT_WRITE));
  memcpy(second, "twice", 5);
  OK(!memcmp(at + PAGE, "twice", 5));
  SHOW(mprotect(at, PAGE, PROT_READ));
  SHOW(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
  at[0] = 1;
  SHOW(munmap(at, 4 * PAGE));
  SHOW(pread(fd, text, 5, PAGE));
  OK(!strcmp(text, "twice"));
  char *anonymous = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  OK(all(anonymous, 0, 2 * PAGE));
  memset(anonymous, 3, 2 * PAGE);
}

static void rights(void) {
  close(make("file", 2 * PAGE));
  int reading = open("file", O_RDONLY), writing = open("file", O_WRONLY), directory = open(".", O_RDONLY);
  TRY(map(reading, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
  TRY(map(reading, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0));
  TRY(map(writing, PAGE, PROT_READ, MAP_PRIVATE, 0));
  TRY(map(writing, PAGE, PROT_WRITE, MAP_SHARED, 0));
  TRY(map(directory, PAGE, PROT_READ, MAP_PRIVATE, 0));
  TRY(map(reading, PAGE, PROT_READ, 0, 0));
  TRY(map(reading, PAGE, PROT_READ, MAP_PRIVATE, 100));
  TRY(map(reading, 0, PROT_READ, MAP_PRIVATE, 0));
  char *at = map(reading, PAGE, PROT_READ, MAP_SHARED, 0);
  SHOW(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
  int fd = open("empty", O_RDWR | O_CREAT, 0600);
  TRY(map(fd, PAGE, PROT_READ, MAP_PRIVATE, 0));
  int pipes[2];
  SHOW(pipe(pipes));
  TRY(map(pipes[0], PAGE, PROT_READ, MAP_PRIVATE, 0));
}

static void large(void) {
  size_t bytes = 40UL << 20;
  int fd = make("file", bytes);
  char *at = map(fd, bytes, PROT_READ, MAP_PRIVATE, 0);
  OK(filled(at, bytes));
  char *both = map(fd, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
  memset(both + (bytes >> 1), 9, bytes >> 1);
  OK(filled(both, bytes >> 1) && all(both + (bytes >> 1), 9, bytes >> 1) && filled(at, bytes));
  SHOW(munmap(both + PAGE, bytes - 2 * PAGE));
  OK(filled(both, PAGE) && all(both + bytes - PAGE, 9, PAGE));
  int zero = open("/dev/zero", O_RDWR);
  char *zeros = map(zero, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
  OK(zeros != MAP_FAILED && all(zeros, 0, 1 << 20));
  memset(zeros, 1, 1 << 20);
}

static void many(void) {
  int fd = make("file", 64 * PAGE);
  int wrong = 0;
  for (int round = 0; round < 3000; round++) {
    size_t page = (size_t)(round * 7 % 60), bytes = PAGE * (size_t)(1 + round % 4);
    char *at = map(fd, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, (off_t)(page * PAGE));
    wrong += at[bytes - 1] != (char)pattern(page * PAGE + bytes - 1);
    at[0] = 1;
    wrong += munmap(at, bytes);
  }
  SHOW(wrong);
}

static void growing(void) {
  int fd = make("file", PAGE);
  char *at = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
  SHOW(ftruncate(fd, 4 * PAGE));
  OK(all(at + PAGE, 0, 3 * PAGE));
  at[3 * PAGE] = 5;
  char byte = 0;
  SHOW(pread(fd, &byte, 1, 3 * PAGE));
  SHOW(byte);
}

static void remapping(void) {
  int fd = make("file", 8 * PAGE);
  char *at = map(fd, 4 * PAGE, PROT_READ, MAP_PRIVATE, 0);
  OK((at = mremap(at, 4 * PAGE, 2 * PAGE, 0)) != MAP_FAILED && filled(at, 2 * PAGE));
  char *to = mmap(0, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OK(mremap(at, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to && filled(to, 2 * PAGE));
  TRY(mmap(to, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 99, 0));
  OK(filled(to, 2 * PAGE));
}

static char *over(char *at, int fd, int protection, size_t page) {
  return mmap(at, 2 * PAGE, protection, MAP_PRIVATE | MAP_FIXED, fd, page * PAGE);
}

/* Parts of a file mapped over the whole of it, as dynamic linkers do. */
static void again(void) {
  int fd = make("file", 8 * PAGE), other = open("other", O_RDWR | O_CREAT, 0600);
  SHOW(ftruncate(other, 8 * PAGE));
  char copy[2 * PAGE];
  char *at = map(fd, 8 * PAGE, PROT_READ, MAP_PRIVATE, 0);
  OK(over(at + 2 * PAGE, fd, PROT_READ | PROT_WRITE, 2) == at + 2 * PAGE && filled(at, 8 * PAGE));
  memset(at + 3 * PAGE, 1, PAGE);
  OK(all(at + 3 * PAGE, 1, PAGE) && filled(at, 3 * PAGE));
  SHOW(pread(fd, copy, 2 * PAGE, 2 * PAGE));
  OK(memcmp(copy, at + 2 * PAGE, PAGE) == 0 && copy[PAGE] != 1);
  OK(over(at + 2 * PAGE, fd, PROT_READ, 2) == at + 2 * PAGE && filled(at, 8 * PAGE));
  SHOW(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
  memset(at, 2, PAGE);
  SHOW(mprotect(at, PAGE, PROT_READ));
  OK(over(at, fd, PROT_READ, 0) == at && filled(at, 8 * PAGE));

  /* Another part, another file, another file of the same number. */
  at = map(fd, 8 * PAGE, PROT_READ, MAP_PRIVATE, 0);
  OK(over(at, fd, PROT_READ, 4) == at && memcmp(at, at + 4 * PAGE, 2 * PAGE) == 0);
  at = map(fd, 8 * PAGE, PROT_READ, MAP_PRIVATE, 0);
  OK(over(at, other, PROT_READ, 0) == at && all(at, 0, 2 * PAGE));
  int second = dup(fd);
  at = map(second, 8 * PAGE, PROT_READ, MAP_PRIVATE, 0);
  SHOW(dup2(other, second) == second);
  OK(over(at, second, PROT_READ, 0) == at && all(at, 0, 2 * PAGE));
  at = map(fd, 8 * PAGE, PROT_READ, MAP_PRIVATE, 0);
  SHOW(close(fd));
  SHOW(open("other", O_RDONLY) == fd);
  OK(over(at, fd, PROT_READ, 0) == at && all(at, 0, 2 * PAGE));

  /* Anonymous memory between, and a part that is not all there. */
  at = map(other, 8 * PAGE, PROT_READ, MAP_PRIVATE, 0);
  OK(mmap(at + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
  at[PAGE] = 1;
  OK(over(at, other, PROT_READ, 0) == at && all(at, 0, 8 * PAGE));
  SHOW(munmap(at, PAGE));
  OK(over(at, other, PROT_READ, 0) == at && all(at, 0, 8 * PAGE));
}

/* Reads past the end of the file. */
static void past_end(void) {
  int fd = make("file", PAGE);
  volatile char *at = map(fd, 4 * PAGE, PROT_READ, MAP_SHARED, 0);
  SHOW(at[2 * PAGE]);
}

static void truncated(void) {
  int fd = make("file", 4 * PAGE);
  volatile char *at = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
  SHOW(at[2 * PAGE]);
  SHOW(ftruncate(fd, PAGE));
  SHOW(at[2 * PAGE + 1]);
}

/* A buffer of a call that lies past the end of the file. */
static void buffer(void) {
  int fd = make("file", PAGE), out = open("out", O_RDWR | O_CREAT, 0600);
  char *at = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
  SHOW(write(out, at + 2 * PAGE, 100));
  SHOW(pread(fd, at + 2 * PAGE, 100, 0));
}

TESTS({"private", private_}, {"shared", shared}, {"rights", rights}, {"large", large}, {"many", many},
      {"growing", growing}, {"remapping", remapping}, {"again", again}, {"past-end", past_end}, {"truncated", truncated},
      {"buffer", buffer})
