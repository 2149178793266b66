/* Takes memory and gives it back, in the ways that allocators do. After each step it tells which, and waits
 * for a line: who started it looks how much of it is in the host's memory. */
#include "check.h"

#include <malloc.h>

enum { PAGE = 4096, PIECE = 8192, PIECES = 16384 };
static const size_t MUCH = (size_t)PIECE * PIECES;

static void step(const char *name) {
  puts(name);
  fflush(stdout);
  getchar();
}

static void touch(char *at, size_t bytes) {
  for (size_t i = 0; i < bytes; i += PAGE) at[i] = 1;
}

static char *mapped(int flags) {
  char *at = mmap(0, MUCH, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
  touch(at, MUCH);
  return at;
}

/* Gives back the first `bytes` of each `of`. */
static void thin(char *at, size_t bytes, size_t of) {
  for (size_t i = 0; i < MUCH; i += of) madvise(at + i, bytes, MADV_DONTNEED);
}

int main(void) {
  static char *pieces[PIECES];
  setvbuf(stdin, 0, _IONBF, 0);
  char *at = malloc(MUCH);
  touch(at, MUCH);
  step("malloc");
  free(at);
  step("free");

  at = mapped(MAP_PRIVATE);
  madvise(at, MUCH / 2, MADV_DONTNEED);
  step("half of a mapping");
  munmap(at, MUCH);
  step("munmap");

  for (int i = 0; i < PIECES; i++) touch(pieces[i] = malloc(PIECE), PIECE);
  step("malloc of pieces");
  for (int i = 0; i < PIECES; i++) free(pieces[i]);
  malloc_trim(0);
  step("free of pieces");

  at = mapped(MAP_PRIVATE);
  thin(at, 64 << 10, 128 << 10);
  step("each other 64 KiB");
  thin(at + (64 << 10), 56 << 10, 128 << 10);
  step("all but 8 KiB of each 128");
  munmap(at, MUCH);

  at = mapped(MAP_SHARED);
  madvise(at, MUCH / 2, MADV_REMOVE);
  step("half of a shared mapping");
  munmap(at, MUCH);

  at = mapped(MAP_PRIVATE);
  at = mremap(at, MUCH, PAGE, 0);
  step("mremap");

  sbrk(MUCH);
  touch((char *)sbrk(0) - MUCH, MUCH);
  step("sbrk up");
  sbrk(-(intptr_t)MUCH);
  step("sbrk down");
  return 0;
}
