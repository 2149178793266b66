/* What the test programs share. They print what calls return; the test compares that with what
 * they print under Linux. So nothing printed may depend on the run: no ids, addresses or times. */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Prints an expression and its value, or the error's name where it is -1. */
#define SHOW(call) show(#call, (long)(call))
/* The same for results that differ from run to run: only whether it worked. */
#define TRY(call) show(#call, (long)(call) == -1 ? -1 : 0)
/* Prints an expression and whether it is true. */
#define OK(condition) printf("%s: %s\n", #condition, (condition) ? "yes" : "NO")

static inline void show(const char *text, long value) {
  if (value == -1)
    printf("%s: %s\n", text, strerrorname_np(errno));
  else
    printf("%s: %ld\n", text, value);
}

/* Whether `bytes` from `at` on all have this value. */
static inline int all(const void *at, int value, size_t bytes) {
  const unsigned char *byte = at;
  for (size_t i = 0; i < bytes; i++)
    if (byte[i] != (unsigned char)value) return 0;
  return 1;
}

/* A pattern that differs from page to page and from byte to byte. */
static inline unsigned char pattern(size_t i) { return (unsigned char)(i * 31 + (i >> 12) * 7 + 3); }

static inline void fill(void *at, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) ((unsigned char *)at)[i] = pattern(i);
}

static inline int filled(const void *at, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (((const unsigned char *)at)[i] != pattern(i)) return 0;
  return 1;
}

/* A descriptor that is no pipe, no socket and no terminal, as the standard ones may be. */
static inline int plain_file(void) {
  static int fd = -1;
  if (fd < 0) fd = open("/dev/null", O_RDONLY);
  return fd;
}

struct test {
  const char *name;
  void (*run)(void);
};

/* Runs the test that the first argument names. */
#define TESTS(...)                                                         \
  int main(int argc, char **argv) {                                        \
    static const struct test tests[] = {__VA_ARGS__};                      \
    setvbuf(stdout, 0, _IOLBF, 0); /* What was printed outlives a crash. */ \
    for (size_t i = 0; argc > 1 && i < sizeof tests / sizeof *tests; i++) \
      if (!strcmp(argv[1], tests[i].name)) {                               \
        tests[i].run();                                                    \
        return 0;                                                          \
      }                                                                    \
    fprintf(stderr, "which test?");                                        \
    return 2;                                                              \
  }
