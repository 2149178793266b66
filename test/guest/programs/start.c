/* A program without a library, linked in several ways: the first state of its registers, its stack, and its
 * segments. */
#include <stdint.h>
#include <sys/syscall.h>

enum { PAGE = 4096 };

static long call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static void print(const char *text) {
  long bytes = 0;
  while (text[bytes]) bytes++;
  call(SYS_write, 1, (long)text, bytes);
}

static void print_number(const char *label, uint64_t value) {
  char digits[20] = {0}, *at = digits + 19;
  do *--at = "0123456789abcdef"[value & 15];
  while (value >>= 4);
  print(label);
  print(" ");
  print(at);
  print("\n");
}

uint64_t registers[18], vectors[32];
uint32_t mxcsr;
uint16_t control;

char large[64 << 20], initialised[PAGE * 3] = {1, 2, 3};
const char constant[] = "constant";
static const char *const pointer = constant;

__asm__(
    ".global _start\n_start:\n"
    "mov %rax, registers(%rip); mov %rbx, registers+8(%rip); mov %rcx, registers+16(%rip)\n"
    "mov %rdx, registers+24(%rip); mov %rsi, registers+32(%rip); mov %rdi, registers+40(%rip)\n"
    "mov %rbp, registers+48(%rip); mov %r8, registers+56(%rip); mov %r9, registers+64(%rip)\n"
    "mov %r10, registers+72(%rip); mov %r11, registers+80(%rip); mov %r12, registers+88(%rip)\n"
    "mov %r13, registers+96(%rip); mov %r14, registers+104(%rip); mov %r15, registers+112(%rip)\n"
    "pushfq; pop registers+120(%rip)\n"
    "mov %ds, registers+128(%rip); mov %fs, registers+136(%rip)\n"
    "stmxcsr mxcsr(%rip); fnstcw control(%rip)\n"
    "movups %xmm0, vectors(%rip); movups %xmm7, vectors+16(%rip); movups %xmm15, vectors+32(%rip)\n"
    "mov %rsp, %rdi; and $-16, %rsp; call begin\n");

static int is_zero(const char *from, long bytes) {
  for (long i = 0; i < bytes; i++)
    if (from[i]) return 0;
  return 1;
}

__attribute__((used)) void begin(uint64_t *stack) {
  print_number("alignment", (uintptr_t)stack % 16);
  print_number("arguments", stack[0]);
  char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
  for (char **text = argv + 1; *text; text++) print(*text), print("\n");
  while (*envp) print(*envp++), print("\n");
  uint64_t *pair = (uint64_t *)(envp + 1);
  /* Which entries there are, but for those of restartable sequences (27, 28) and the processor's. */
  uint64_t found = 0;
  for (; pair[0]; pair += 2)
    if (pair[0] < 33) found |= 1UL << pair[0];
  print_number("auxiliary", found & ~(3UL << 27));
  for (int i = 0; i < 15; i++)
    if (registers[i]) print_number("register", registers[i]);
  print_number("flags", registers[15]);
  print_number("segments", (registers[16] & 0xffff) + (registers[17] & 0xffff));
  print_number("mxcsr", mxcsr);
  print_number("control", control);
  print_number("vectors", vectors[0] | vectors[1] | vectors[2] | vectors[3] | vectors[4] | vectors[5]);
  print_number("bss", is_zero(large, sizeof large));
  large[1 << 20] = 1;
  print_number("data", initialised[0] + initialised[1] + initialised[2] + is_zero(initialised + 3, 3 * PAGE - 3));
  initialised[PAGE] = 1;
  print(pointer);
  print("\n");
  call(SYS_exit, 42, 0, 0);
}
