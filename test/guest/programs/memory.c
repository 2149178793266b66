/* brk, mmap, munmap, mprotect, mremap, madvise, limits: of memory without a file. */
#include "check.h"

#include <sys/resource.h>

enum { PAGE = 4096, MIB = 1 << 20 };
#define RW PROT_READ | PROT_WRITE
#define PRIVATE MAP_PRIVATE | MAP_ANONYMOUS

static char *map(void *hint, size_t bytes, int protection, int flags) {
  return mmap(hint, bytes, protection, flags, -1, 0);
}

static void brk_(void) {
  char *start = sbrk(0), *end = (char *)(((uintptr_t)start + PAGE - 1) & -PAGE);
  OK(brk(end + 3 * PAGE + 5) == 0 && sbrk(0) == end + 3 * PAGE + 5);
  OK(all(end, 0, 4 * PAGE));
  fill(end, 4 * PAGE);
  SHOW(brk(end + PAGE));
  OK(filled(end, PAGE));
  SHOW(brk(end + 4 * PAGE));
  OK(all(end + PAGE, 0, 3 * PAGE));
  SHOW(brk(end + 40 * MIB));
  memset(end + 39 * MIB, 1, MIB);
  SHOW(brk(end));
  SHOW(brk((void *)1));
  SHOW(brk((void *)(1UL << 60)));
  OK(sbrk(0) == end);
}

static void placing(void) {
  char *at = map(0, 64 * PAGE, RW, PRIVATE);
  munmap(at, 64 * PAGE);
  OK(map(at, 4 * PAGE, RW, PRIVATE) == at);
  OK(map(at + PAGE, PAGE, RW, PRIVATE) != at + PAGE);
  OK(map(at + 8 * PAGE + 12, PAGE, RW, PRIVATE) == at + 8 * PAGE);
  TRY(map(at + 1, PAGE, RW, PRIVATE | MAP_FIXED));
  TRY(map(at, PAGE, RW, PRIVATE | MAP_FIXED_NOREPLACE));
  OK(map(at + 16 * PAGE, PAGE, RW, PRIVATE | MAP_FIXED_NOREPLACE) == at + 16 * PAGE);
  fill(at, 4 * PAGE);
  OK(map(at + PAGE, PAGE, RW, PRIVATE | MAP_FIXED) == at + PAGE);
  OK(filled(at, PAGE) && all(at + PAGE, 0, PAGE));
  char *low = map(0, 2 * MIB, RW, PRIVATE | MAP_32BIT);
  OK((uintptr_t)low + 2 * MIB < 1UL << 32);
  memset(low, 1, 2 * MIB);
  TRY(map(0, 0, RW, PRIVATE));
  TRY(map(0, PAGE, RW, MAP_ANONYMOUS));
  TRY(map(0, 1UL << 48, RW, PRIVATE | MAP_NORESERVE));
  TRY(map(0, -1UL, RW, PRIVATE));
  TRY(map((void *)(1UL << 47), PAGE, RW, PRIVATE | MAP_FIXED));
  TRY(mmap(0, PAGE, RW, MAP_PRIVATE, -1, 0));
  TRY(mmap(0, PAGE, RW, MAP_PRIVATE, 99, 0));
  TRY(mmap(0, PAGE, RW, MAP_PRIVATE, 0, 12));
  char *populated = map(0, 8 * MIB, RW, PRIVATE | MAP_POPULATE);
  OK(all(populated, 0, 8 * MIB));
}

static void reserving(void) {
  size_t bytes = 64UL << 30;
  char *areas[8];
  for (int i = 0; i < 8; i++) TRY(areas[i] = map(0, bytes, PROT_NONE, PRIVATE | MAP_NORESERVE));
  for (int i = 0; i < 8; i++) {
    char *at = areas[i] + bytes / 8 * (size_t)i;
    SHOW(mprotect(at, MIB, RW));
    fill(at, MIB);
    OK(filled(at, MIB));
    SHOW(munmap(areas[i], bytes));
  }
}

static void pieces(void) {
  char *at = map(0, 16 * MIB, RW, PRIVATE);
  fill(at, 16 * MIB);
  for (size_t i = 1; i < 8; i += 2) SHOW(munmap(at + i * MIB + i * PAGE, MIB));
  for (size_t i = 0; i < 8; i += 2) OK(at[i * MIB + 8 * PAGE] == (char)pattern(i * MIB + 8 * PAGE));
  for (size_t i = 1; i < 8; i += 2) {
    char *hole = at + i * MIB + i * PAGE;
    OK(map(hole, MIB, RW, PRIVATE | MAP_FIXED_NOREPLACE) == hole && all(hole, 0, MIB));
  }
  SHOW(munmap(at, 16 * MIB));
  SHOW(munmap(at, 16 * MIB));
  SHOW(munmap(at + 1, PAGE));
  SHOW(munmap(at, 0));
  SHOW(munmap((void *)(-1UL & -PAGE), PAGE));
  SHOW(mprotect(at, PAGE, PROT_READ));
  SHOW(mprotect(at + 1, PAGE, PROT_READ));
  SHOW(mprotect(at, 0, PROT_READ));
  SHOW(mprotect(at, PAGE, 0x1000));
}

static void protecting(void) {
  size_t bytes = 64 * MIB;
  char *at = map(0, bytes, RW, PRIVATE);
  fill(at, bytes);
  for (size_t i = 1; i < 32; i += 3) SHOW(mprotect(at + i * 2 * MIB + i * PAGE, (i + 1) * PAGE, PROT_READ));
  SHOW(mprotect(at + 8 * MIB, 4 * MIB, PROT_NONE));
  SHOW(mprotect(at + 10 * MIB - PAGE, 2 * PAGE, PROT_READ));
  SHOW(mprotect(at + 8 * MIB, 4 * MIB, RW));
  OK(filled(at, bytes));
  SHOW(mprotect(at, bytes, RW));
  memset(at, 5, bytes);
  OK(all(at, 5, bytes));
}

static void moving(void) {
  char *at = map(0, 32 * MIB, RW, PRIVATE);
  OK((at = mremap(at, 32 * MIB, 8 * MIB, 0)) != MAP_FAILED);
  fill(at, 8 * MIB);
  map(at + 8 * MIB, PAGE, RW, PRIVATE | MAP_FIXED);
  TRY(mremap(at, 8 * MIB, 12 * MIB, 0));
  char *to = mremap(at, 8 * MIB, 12 * MIB, MREMAP_MAYMOVE);
  OK(to != MAP_FAILED && to != at && filled(to, 8 * MIB) && all(to + 8 * MIB, 0, 4 * MIB));
  SHOW(mprotect(at, PAGE, PROT_READ));
  char *fixed = map(0, 32 * MIB, PROT_NONE, PRIVATE) + 5 * PAGE;
  OK(mremap(to, 12 * MIB, 4 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, fixed) == fixed && filled(fixed, 4 * MIB));
  OK(mremap(fixed, 4 * MIB, 2 * MIB, MREMAP_MAYMOVE) == fixed && filled(fixed, 2 * MIB));
  TRY(mremap(fixed + 1, PAGE, PAGE, 0));
  TRY(mremap(fixed, PAGE, 0, 0));
  TRY(mremap(fixed, PAGE, PAGE, MREMAP_FIXED, to));
  TRY(mremap(to, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
  TRY(mremap(fixed, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, fixed + PAGE));
}

static void advising(void) {
  char *at = map(0, 8 * MIB, RW, PRIVATE);
  fill(at, 8 * MIB);
  SHOW(madvise(at + MIB, 3 * MIB, MADV_DONTNEED));
  OK(filled(at, MIB) && all(at + MIB, 0, 3 * MIB) && at[4 * MIB] == (char)pattern(4 * MIB));
  int hints[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
                 MADV_DONTDUMP, MADV_DODUMP, MADV_DONTFORK, MADV_DOFORK, MADV_COLD, MADV_POPULATE_WRITE, 99};
  for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) SHOW(madvise(at, PAGE, hints[i]));
  SHOW(madvise(at + 1, PAGE, MADV_DONTNEED));
  munmap(at + PAGE, PAGE);
  SHOW(madvise(at, 3 * PAGE, MADV_DONTNEED));
  SHOW(madvise(at, 3 * PAGE, MADV_RANDOM));
  unsigned char resident[3] = {0};
  SHOW(mincore(at, PAGE, resident));
  SHOW(mincore(at, 3 * PAGE, resident));
  SHOW(mincore(at, PAGE, (void *)8));
  SHOW(mlock(at, PAGE));
  SHOW(munlock(at, PAGE));
  SHOW(mlock(at, 2 * PAGE));
  SHOW(msync(at, PAGE, MS_SYNC));
  SHOW(msync(at, PAGE, MS_SYNC | MS_ASYNC));
  SHOW(madvise(at, PAGE, MADV_REMOVE));
  char *shared = map(0, MIB, RW, MAP_SHARED | MAP_ANONYMOUS);
  fill(shared, MIB);
  SHOW(madvise(shared + PAGE, 2 * PAGE, MADV_REMOVE));
  OK(filled(shared, PAGE) && all(shared + PAGE, 0, 2 * PAGE) && shared[3 * PAGE] == (char)pattern(3 * PAGE));
  mprotect(shared, PAGE, PROT_READ);
  SHOW(madvise(shared, PAGE, MADV_REMOVE));
}

static void limits(void) {
  struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, some = {64 * MIB, RLIM_INFINITY};
  SHOW(setrlimit(RLIMIT_AS, &some));
  TRY(map(0, 128 * MIB, RW, PRIVATE));
  TRY(map(0, 16 * MIB, PROT_NONE, PRIVATE));
  SHOW(brk((char *)sbrk(0) + 128 * MIB));
  OK(malloc(128 * MIB) == 0);
  SHOW(setrlimit(RLIMIT_AS, &none));
  SHOW(setrlimit(RLIMIT_DATA, &some));
  TRY(map(0, 128 * MIB, RW, PRIVATE));
  TRY(map(0, 128 * MIB, PROT_READ, PRIVATE));
  SHOW(brk((char *)sbrk(0) + 128 * MIB));
  SHOW(setrlimit(RLIMIT_DATA, &none));
  SHOW(getrlimit(RLIMIT_AS, &some));
  OK(some.rlim_cur == RLIM_INFINITY);
}

static void much(void) {
  size_t bytes = 512UL * MIB;
  uint64_t *at = (uint64_t *)map(0, bytes, RW, PRIVATE), wrong = 0;
  for (size_t i = 0; i < bytes / 8; i += 8) at[i] = i * 0x9e3779b97f4a7c15;
  for (size_t i = 0; i < bytes / 8; i += 8) wrong += at[i] != i * 0x9e3779b97f4a7c15;
  OK(wrong == 0);
  SHOW(munmap(at, bytes));
  at = (uint64_t *)map(0, bytes, RW, PRIVATE);
  for (size_t i = 0; i < bytes / 8; i += 256) wrong += at[i];
  OK(wrong == 0);
}

static void churn(void) {
  enum { AREAS = 64 };
  char *areas[AREAS] = {0};
  size_t sizes[AREAS], wrong = 0;
  uint32_t random = 1;
  for (int round = 0; round < 4000; round++) {
    random = random * 1664525 + 1013904223;
    size_t i = random >> 26, bytes = (random >> 8 & 0x3ff) * PAGE + PAGE;
    if (areas[i]) {
      wrong += (size_t)areas[i][0] + (size_t)areas[i][sizes[i] - 1] != 2 * i;
      munmap(areas[i], sizes[i]);
    }
    areas[i] = map(0, sizes[i] = bytes, RW, PRIVATE);
    wrong += (size_t)areas[i][0] + (size_t)areas[i][bytes - 1] + (size_t)areas[i][bytes / 2] != 0;
    areas[i][0] = areas[i][bytes - 1] = (char)i;
  }
  SHOW(wrong);
}

TESTS({"brk", brk_}, {"placing", placing}, {"reserving", reserving}, {"pieces", pieces},
      {"protecting", protecting}, {"moving", moving}, {"advising", advising}, {"limits", limits}, {"much", much},
      {"churn", churn})
