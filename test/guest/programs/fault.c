/* Accesses that mappings forbid: each ends the program. */
#include "check.h"

#include <sys/resource.h>

enum { PAGE = 4096, MIB = 1 << 20 };

static volatile char *area(size_t bytes, int protection) {
  return mmap(0, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* 64 MiB in large pages, of which one small page in the middle is read-only. */
static volatile char *large(int protection) {
  volatile char *at = area(64 * MIB, PROT_READ | PROT_WRITE);
  memset((char *)at, 1, 64 * MIB);
  SHOW(mprotect((char *)at + 33 * MIB + PAGE, PAGE, protection));
  at[33 * MIB] = at[33 * MIB + 2 * PAGE] = 2;
  SHOW(at[33 * MIB] + at[33 * MIB + 2 * PAGE]);
  fflush(stdout);
  return at + 33 * MIB + PAGE;
}

static void read_none(void) { (void)*area(PAGE, PROT_NONE); }
static void write_read_only(void) { *area(PAGE, PROT_READ) = 1; }
static void write_in_large(void) { *large(PROT_READ) = 1; }
static void read_in_large(void) { (void)*large(PROT_NONE); }
static void unmapped_in_large(void) {
  volatile char *at = large(PROT_READ);
  SHOW(munmap((char *)at, PAGE));
  fflush(stdout);
  (void)*at;
}
static void unmapped(void) {
  volatile char *at = area(4 * MIB, PROT_READ | PROT_WRITE);
  at[2 * MIB] = 1;
  munmap((char *)at, 4 * MIB);
  (void)at[2 * MIB];
}
static void moved(void) {
  volatile char *at = area(4 * MIB, PROT_READ | PROT_WRITE);
  at[0] = 1;
  mmap((char *)at + 4 * MIB, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  OK(mremap((char *)at, 4 * MIB, 8 * MIB, MREMAP_MAYMOVE) != at);
  fflush(stdout);
  (void)at[0];
}
static void shrunk(void) {
  volatile char *at = area(4 * PAGE, PROT_READ | PROT_WRITE);
  at[3 * PAGE] = 1;
  OK(mremap((char *)at, 4 * PAGE, 2 * PAGE, 0) == at);
  fflush(stdout);
  (void)at[3 * PAGE];
}
static void not_executable(void) {
  volatile char *at = area(PAGE, PROT_READ | PROT_WRITE);
  at[0] = (char)0xc3;
  ((void (*)(void))at)();
}
static void executable(void) {
  volatile char *at = area(PAGE, PROT_READ | PROT_WRITE);
  at[0] = (char)0xc3;
  SHOW(mprotect((char *)at, PAGE, PROT_READ | PROT_EXEC));
  ((void (*)(void))at)();
  SHOW(mprotect((char *)at, PAGE, PROT_READ));
  fflush(stdout);
  ((void (*)(void))at)();
}
static void below_break(void) {
  char *end = sbrk(0);
  SHOW(brk(end + 4 * PAGE));
  end[3 * PAGE] = 1;
  SHOW(brk(end));
  fflush(stdout);
  *(volatile char *)(end + 3 * PAGE) = 1;
}
static void stack_limit(void) {
  /* The stack may grow to its limit, whatever was touched so far. */
  struct rlimit limit;
  getrlimit(RLIMIT_STACK, &limit);
  volatile char *here = __builtin_alloca(4 * MIB);
  here[0] = 1;
  SHOW(limit.rlim_cur == 8 * MIB);
  fflush(stdout);
  volatile char *far = __builtin_alloca(5 * MIB);
  far[0] = 1;
}
static void write_constant(void) { *(volatile char *)(uintptr_t) "constant" = 1; }

#define ONE(name) {#name, name}
static const struct test tests[] = {
    ONE(read_none), ONE(write_read_only), ONE(write_in_large), ONE(read_in_large), ONE(unmapped_in_large),
    ONE(unmapped), ONE(moved), ONE(shrunk), ONE(not_executable), ONE(executable), ONE(below_break),
    ONE(stack_limit), ONE(write_constant)};

/* Without an argument: the names. */
int main(int argc, char **argv) {
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
    if (argc < 2)
      puts(tests[i].name);
    else if (!strcmp(argv[1], tests[i].name))
      tests[i].run();
  return 0;
}
