/* Code that is made, changed and given back while the kernel patches its system calls. */
#include "check.h"

enum { PAGE = 4096 };

/* mov $number, %eax; mov $-1, %edi; syscall; ret */
static void write_call(char *at, uint32_t number) {
  memcpy(at, "\xb8\0\0\0\0\xbf\xff\xff\xff\xff\x0f\x05\xc3", 13);
  memcpy(at + 1, &number, 4);
}

static char *area(void *hint, size_t bytes, int protection) {
  return mmap(hint, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | (hint ? MAP_FIXED : 0), -1, 0);
}

/* Calls it three times: the first may trap and be patched. */
static void show_calls(const char *label, const void *at) {
  long (*function)(void);
  memcpy(&function, &at, sizeof at);
  for (int i = 0; i < 3; i++) printf("%s: %ld\n", label, function());
}

enum { CLOSE = 3, DUP = 32, GETPGID = 121, UMASK = 95 };

static void changing(void) {
  char *at = area(0, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
  uint32_t numbers[] = {CLOSE, GETPGID, UMASK, DUP, 9999};
  for (int i = 0; i < 5; i++) {
    write_call(at + i, numbers[i]);
    show_calls("in place, writable", at + i);
  }
  for (int i = 0; i < 5; i++) {
    SHOW(mprotect(at, PAGE, PROT_READ | PROT_WRITE));
    write_call(at, numbers[i]);
    SHOW(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
    show_calls("protected", at);
  }
}

static void replacing(void) {
  char *at = area(0, 4 * PAGE, PROT_READ | PROT_WRITE);
  write_call(at, CLOSE);
  write_call(at + PAGE, GETPGID);
  SHOW(mprotect(at, 4 * PAGE, PROT_READ | PROT_EXEC));
  show_calls("first", at);
  show_calls("second", at + PAGE);
  SHOW(munmap(at, PAGE));
  OK(area(at, PAGE, PROT_READ | PROT_WRITE) == at && all(at, 0, PAGE));
  write_call(at, DUP);
  SHOW(mprotect(at, PAGE, PROT_READ | PROT_EXEC));
  show_calls("replaced", at);
  char *to = at + PAGE;
  SHOW(madvise(to, PAGE, MADV_DONTNEED));
  OK(all(to, 0, PAGE));
  SHOW(mprotect(to, PAGE, PROT_READ | PROT_WRITE));
  write_call(to, CLOSE);
  SHOW(mprotect(to, PAGE, PROT_READ | PROT_EXEC));
  show_calls("after MADV_DONTNEED", to);
}

/* Text of a file, mapped again and again; the file is never changed by what the kernel patches. */
static void of_file(void) {
  char code[PAGE], back[PAGE];
  int fd = open("code", O_RDWR | O_CREAT, 0700);
  memset(code, 0x90, PAGE);
  write_call(code, CLOSE);
  write_call(code + 100, UMASK);
  SHOW(write(fd, code, PAGE));
  for (int i = 0; i < 3; i++) {
    char *at = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    show_calls("private", at);
    show_calls("private", at + 100);
    if (i < 2) munmap(at, PAGE);
  }
  char *shared = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  show_calls("shared", shared);
  SHOW(pread(fd, back, PAGE, 0));
  OK(!memcmp(code, back, PAGE));
  write_call(code, GETPGID);
  SHOW(pwrite(fd, code, PAGE, 0));
  show_calls("shared, after the file changed", shared);
  SHOW(msync(shared, PAGE, MS_SYNC));
  SHOW(pread(fd, back, PAGE, 0));
  OK(!memcmp(code, back, PAGE));
}

/* The same page writable at one address and executable at another. */
static void twice(void) {
  int fd = (int)syscall(SYS_memfd_create, "code", 0);
  SHOW(ftruncate(fd, PAGE));
  char *writable = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *executable = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  uint32_t numbers[] = {CLOSE, GETPGID, DUP};
  for (int i = 0; i < 3; i++) {
    write_call(writable, numbers[i]);
    show_calls("twice", executable);
  }
}

/* A thousand pieces of code, each with its own site, some pages apart. */
static void many(void) {
  enum { PIECES = 1000 };
  char *at = area(0, PIECES * PAGE / 4, PROT_READ | PROT_WRITE);
  for (int i = 0; i < PIECES; i++) write_call(at + i * PAGE / 4, CLOSE);
  SHOW(mprotect(at, PIECES * PAGE / 4, PROT_READ | PROT_EXEC));
  long sum = 0;
  for (int i = 0; i < PIECES; i++) {
    long (*function)(void);
    memcpy(&function, &(char *){at + i * PAGE / 4}, sizeof at);
    sum += function() + function();
  }
  SHOW(sum);
}

TESTS({"changing", changing}, {"replacing", replacing}, {"of-file", of_file}, {"twice", twice}, {"many", many})
