/* Instructions and accesses that end the program: by the same signal as under Linux. */
#include "check.h"

#include <sys/resource.h>

#define INSTRUCTION(name, text) \
  __attribute__((naked)) static void name(void) { __asm__(text "; ret"); }

INSTRUCTION(undefined, "ud2")
INSTRUCTION(breakpoint, "int3")
INSTRUCTION(icebp, ".byte 0xf1")
INSTRUCTION(divide, "xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; div %ecx")
INSTRUCTION(overflow_divide, "mov $1, %ecx; mov $-1, %eax; mov $5, %edx; div %ecx")
INSTRUCTION(halt, "hlt")
INSTRUCTION(in_byte, "mov $0x60, %edx; in %dx, %al")
INSTRUCTION(out_byte, "mov $0x80, %edx; out %al, %dx")
INSTRUCTION(out_kernel, "out %al, $0x50")
INSTRUCTION(out_string, "mov $0x80, %edx; mov %rsp, %rsi; outsb")
INSTRUCTION(cli, "cli")
INSTRUCTION(sti, "sti")
INSTRUCTION(rdpmc, "xor %ecx, %ecx; rdpmc")
INSTRUCTION(rdmsr, "mov $0xc0000080, %ecx; rdmsr")
INSTRUCTION(wrmsr, "mov $0xc0000082, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr")
INSTRUCTION(mov_cr0, "mov %cr0, %rax")
INSTRUCTION(mov_cr3, "mov %rax, %cr3")
INSTRUCTION(mov_dr7, "mov %rax, %dr7")
INSTRUCTION(lidt, "lidt -16(%rsp)")
INSTRUCTION(ltr, "mov $0x40, %eax; ltr %ax")
INSTRUCTION(invlpg, "invlpg (%rsp)")
INSTRUCTION(wbinvd, "wbinvd")
INSTRUCTION(sysret, "sysretq")
INSTRUCTION(swapgs, "swapgs")
INSTRUCTION(xsetbv, "xor %ecx, %ecx; mov $7, %eax; xor %edx, %edx; xsetbv")
INSTRUCTION(interrupt, "int $0x81")
INSTRUCTION(interrupt_fault, "int $14")
INSTRUCTION(interrupt_overflow, "int $4")
INSTRUCTION(locked, ".byte 0xf0, 0x90")
INSTRUCTION(step, "pushfq; orq $0x100, (%rsp); popfq; nop; nop")
INSTRUCTION(alignment, "pushfq; orq $0x40000, (%rsp); popfq; mov 1(%rsp), %eax")
INSTRUCTION(vector_alignment, "lea 1(%rsp), %rax; andq $-16, %rax; movaps 8(%rax), %xmm0")
INSTRUCTION(noncanonical, "mov $0x8000000000000000, %rax; mov (%rax), %eax")
INSTRUCTION(noncanonical_jump, "mov $0x8000000000000000, %rax; jmp *%rax")
INSTRUCTION(noncanonical_stack, "mov $0x8000000000000000, %rsp; push %rax")
INSTRUCTION(upper_half, "mov $0xffff800000000000, %rax; mov (%rax), %eax")
INSTRUCTION(upper_half_write, "mov $0xffffffff81000000, %rax; mov %eax, (%rax)")
INSTRUCTION(upper_half_jump, "mov $0xffffffff81000000, %rax; jmp *%rax")
INSTRUCTION(null_read, "xor %eax, %eax; mov (%rax), %eax")
INSTRUCTION(null_write, "xor %eax, %eax; mov %eax, 8(%rax)")
INSTRUCTION(null_jump, "xor %eax, %eax; jmp *%rax")
INSTRUCTION(null_stack, "xor %esp, %esp; push %rax")
INSTRUCTION(bad_segment, "mov $0x1234, %eax; mov %eax, %fs")
INSTRUCTION(far_return, "pushq $0x1233; pushq $0; lretq")
INSTRUCTION(vector_error, "pushq $0x1d80; ldmxcsr (%rsp); pushq $0; xorps %xmm0, %xmm0; mov $0x3f800000, %eax;"
                          "movd %eax, %xmm1; divss %xmm0, %xmm1")
INSTRUCTION(x87_error, "pushq $0x0340; fldcw (%rsp); fld1; fldz; fdivrp; fwait")
INSTRUCTION(write_text, "lea 0f(%rip), %rax\n0: movb $0, (%rax)")
INSTRUCTION(execute_stack, "sub $256, %rsp; movb $0xc3, (%rsp); jmp *%rsp")
INSTRUCTION(call_without_stack, "xor %esp, %esp; mov $60, %eax; mov $9, %edi; syscall")
INSTRUCTION(call_with_wild_stack, "mov $0x8000000000000001, %rsp; mov $60, %eax; mov $9, %edi; syscall")
INSTRUCTION(cpuid_without_stack, "xor %esp, %esp; xor %eax, %eax; cpuid; mov $60, %eax; mov $9, %edi; syscall")

static int recurse(volatile char *from) {
  volatile char here[512];
  here[0] = from[0];
  return here[0] ? recurse(here) + here[0] : 0;
}
static void stack_overflow(void) { printf("%d", recurse((char[]){1})); }
static void garbage(void) {
  unsigned char *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(made, 0xff, 4096);
  ((void (*)(void))made)();
}
static void unmap_self(void) { munmap(0, 0x7f0000000000 - 4096); }
static void abort_(void) { abort(); }

#define ONE(name) {#name, name}
static const struct test tests[] = {
    ONE(undefined), ONE(breakpoint), ONE(icebp), ONE(divide), ONE(overflow_divide), ONE(halt), ONE(in_byte),
    ONE(out_byte), ONE(out_kernel), ONE(out_string), ONE(cli), ONE(sti), ONE(rdpmc), ONE(rdmsr), ONE(wrmsr),
    ONE(mov_cr0), ONE(mov_cr3), ONE(mov_dr7), ONE(lidt), ONE(ltr), ONE(invlpg), ONE(wbinvd), ONE(sysret),
    ONE(swapgs), ONE(xsetbv), ONE(interrupt), ONE(interrupt_fault), ONE(interrupt_overflow), ONE(locked), ONE(step),
    ONE(alignment), ONE(vector_alignment), ONE(noncanonical), ONE(noncanonical_jump), ONE(noncanonical_stack),
    ONE(upper_half), ONE(upper_half_write), ONE(upper_half_jump), ONE(null_read), ONE(null_write), ONE(null_jump),
    ONE(null_stack), ONE(bad_segment), ONE(far_return), ONE(vector_error), ONE(x87_error), ONE(write_text),
    ONE(execute_stack), ONE(call_without_stack), ONE(call_with_wild_stack), ONE(cpuid_without_stack),
    ONE(stack_overflow), ONE(garbage), ONE(unmap_self), ONE(abort_)};

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
