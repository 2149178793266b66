/* Programs that destroy the kernel they share a ring with, or take ring 0. The machine is theirs to
 * break: each must end, if need be by a signal from outside, and nobody else may notice. For the addresses see
 * unikernel/abi/src/layout.rs; under Linux there is nothing there, and each is a plain fault. */
#include "check.h"

#include <sys/resource.h>

#define PER_CPU 0x7f7fffe00000
#define KERNEL 0x7f8000000000
#define PHYSICAL 0x7fc000000000
#define GDT (PER_CPU + 4096)
#define IDT (PER_CPU + 2 * 4096)
#define TSS (PER_CPU + 3 * 4096)
#define LINEAR_TABLE (PHYSICAL + 3 * 4096)
#define BOOT_INFO (PHYSICAL + 264 * 4096)
#define CHANNEL (PHYSICAL + 268 * 4096 + (512 << 10) + (64 << 10))

static void *at(uint64_t address) { return (void *)address; }

static void fault(void) { __asm__ volatile("ud2"); }

static void descriptors(void) { memset(at(GDT), 0, 4096), fault(); }
static void gates(void) { memset(at(IDT), 0, 4096), fault(); }
static void task(void) { memset(at(TSS), 0xff, 4096), fault(); }
static void task_call(void) { memset(at(TSS), 0xff, 4096), syscall(SYS_getppid), _exit(0); }
static void wild_stacks(void) { memset(at(TSS), 0x41, 104), fault(); }
static void tables(void) { memset(at(PHYSICAL), 0, 4096), fault(); }
static void tables_to_nowhere(void) { memset(at(PHYSICAL), 0xe7, 8 * 4096), fault(); }
static void variables(void) { memset(at(PER_CPU), 0x41, 4096), getppid(), _exit(0); }
static void all_private(void) { memset(at(PER_CPU), 0, 64 << 10), getppid(), _exit(0); }
static void boot_info(void) { memset(at(BOOT_INFO), 0xff, 4 * 4096), getppid(), _exit(0); }
static void channel(void) { memset(at(CHANNEL), 0xff, 64 << 10), getppid(), _exit(0); }
static void kernel_data(void) { memset(at(KERNEL + (1 << 20)), 0xff, 1 << 20), getppid(), _exit(0); }
static void kernel_zeroed(void) { memset(at(KERNEL), 0, 2 << 20), getppid(), _exit(0); }
static void memory_nowhere(void) {
  /* A large page of guest-physical memory that has no slot. */
  ((volatile uint64_t *)at(LINEAR_TABLE))[511] = 0x3fc0000000e7;
  ((volatile char *)at(PHYSICAL + 511 * (2UL << 20)))[5] = 1;
  _exit(0);
}
static void page_of_host(void) {
  /* The read-only slot of the host's vDSO pages, made writable. */
  ((volatile uint64_t *)at(LINEAR_TABLE))[510] = (1UL << 38) | 0xe7;
  ((volatile char *)at(PHYSICAL + 510 * (2UL << 20)))[5] = 1;
  _exit(0);
}

/* Ring 0, by a gate of the program's own: runs `body` there and comes back. kvm_pvm has no `int n`. */
static void ring0(void (*body)(void)) {
  volatile uint64_t *gate = (volatile uint64_t *)at(IDT + 3 * 16);
  uint64_t to = (uint64_t)body;
  gate[1] = to >> 32;
  gate[0] = (to & 0xffff) | 0x10 << 16 | 1UL << 32 | 0xee00UL << 32 | (to >> 16 & 0xffff) << 48;
  __asm__ volatile("int3" ::: "rax", "rcx", "rdx", "rbx", "memory");
}

#define RING0(name, text)                                                     \
  __attribute__((naked)) static void name##_body(void) { __asm__(text "; iretq"); } \
  static void name(void) { ring0(name##_body), _exit(0); }

RING0(enter, "nop")
RING0(halt, "sti; hlt")
RING0(halt_for_ever, "cli; hlt")
RING0(paging_off, "mov %cr0, %rax; btr $31, %rax; mov %rax, %cr0")
RING0(protection_off, "mov %cr0, %rax; btr $16, %rax; btr $0, %rax; mov %rax, %cr0")
RING0(caches_off, "mov %cr0, %rax; bts $30, %rax; mov %rax, %cr0; wbinvd")
RING0(cr3_nowhere, "mov $0x3fc000000000, %rax; mov %rax, %cr3")
RING0(cr4_all, "mov $0x3ffffff, %eax; mov %rax, %cr4")
RING0(cr4_none, "xor %eax, %eax; mov %rax, %cr4")
RING0(cr8, "mov $15, %eax; mov %rax, %cr8")
RING0(efer, "mov $0xc0000080, %ecx; rdmsr; xor %eax, %eax; wrmsr")
RING0(virtualise, "mov $0xc0000080, %ecx; rdmsr; bts $12, %eax; wrmsr; xor %eax, %eax; .byte 0x0f, 0x01, 0xd8")
RING0(virtualise_intel, "mov %cr4, %rax; bts $13, %rax; mov %rax, %cr4; push $0; .byte 0xf3, 0x0f, 0xc7, 0x34, 0x24")
RING0(idt_none, "sub $16, %rsp; movq $0, (%rsp); movq $0, 8(%rsp); lidt (%rsp); int3")
RING0(xcr0, "xor %ecx, %ecx; mov $-1, %eax; mov $-1, %edx; xsetbv")
RING0(xcr0_x87, "xor %ecx, %ecx; mov $1, %eax; xor %edx, %edx; xsetbv; vpxor %ymm0, %ymm0, %ymm0")
RING0(clock_page, "mov $0x4b564d01, %ecx; mov $-1, %eax; mov $0x7fff, %edx; wrmsr")
RING0(steal_time, "mov $0x4b564d03, %ecx; mov $0x1c00001, %eax; xor %edx, %edx; wrmsr")
RING0(async_faults, "mov $0x4b564d02, %ecx; mov $0x1007, %eax; xor %edx, %edx; wrmsr")
RING0(apic, "mov $0x1b, %ecx; mov $0xfee00d00, %eax; xor %edx, %edx; wrmsr; mov $0x830, %ecx; wrmsr")
RING0(tsc, "mov $0x10, %ecx; xor %eax, %eax; xor %edx, %edx; wrmsr")
RING0(debug, "mov $0x2703, %eax; mov %rax, %dr7; mov %rsp, %dr0; push %rax; pop %rax")
RING0(hypercall, "mov $5, %eax; mov $1, %ebx; mov $0x1000, %ecx; .byte 0x0f, 0x01, 0xd9")
RING0(port, "mov $0xf4, %edx; mov $1, %eax; out %eax, %dx; in %dx, %eax")
RING0(ports, "mov $0x10, %edx; mov $4096, %ecx; mov $0x7fc000000000, %rsi; rep outsb; mov %rsi, %rdi; mov $99, %ecx; rep insb")
RING0(serve, "mov $99999, %ebx; 1: out %al, $0x10; dec %ebx; jnz 1b")
RING0(upper_half, "mov $0xffff800000000000, %rax; mov (%rax), %rax")

#define ONE(name) {#name, name}
static const struct test tests[] = {
    ONE(descriptors), ONE(gates), ONE(task), ONE(task_call), ONE(wild_stacks), ONE(tables), ONE(tables_to_nowhere),
    ONE(variables), ONE(all_private), ONE(boot_info), ONE(channel), ONE(kernel_data), ONE(kernel_zeroed),
    ONE(memory_nowhere), ONE(page_of_host), ONE(enter), ONE(halt), ONE(halt_for_ever), ONE(paging_off),
    ONE(protection_off), ONE(caches_off), ONE(cr3_nowhere), ONE(cr4_all), ONE(cr4_none), ONE(cr8), ONE(efer),
    ONE(virtualise), ONE(virtualise_intel), ONE(idt_none), ONE(xcr0), ONE(xcr0_x87), ONE(clock_page), ONE(steal_time),
    ONE(async_faults), ONE(apic), ONE(tsc), ONE(debug), ONE(hypercall), ONE(port), ONE(ports), ONE(serve),
    ONE(upper_half)};

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
