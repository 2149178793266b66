/* What a system call and a cpuid may change: rax, rcx and r11 (cpuid: rax to rdx), and no other
 * register, flag, vector or byte below the stack pointer. */
#include "check.h"

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, GENERAL };
enum { AVX = 1 << 2, MASKS = 1 << 5, ZMM_UPPER = 1 << 6, ZMM_HIGH = 1 << 7 };

struct state {
  uint64_t general[GENERAL], flags, zone[16];
  __attribute__((aligned(64))) unsigned char vector[4096];
};

/* Read and written by the assembly below. */
struct state before, after;
uint64_t saved_rsp, components, site;
extern char probe_back[], site_mov[], site_xor[], site_between[], site_register[], site_cpuid[],
    site_mov_syscall[];
void probe(void);

#define STR(x) #x
#define VALUE(x) STR(x)
__asm__(
    ".text\n"
    ".global probe\nprobe:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, saved_rsp(%rip)\n"
    "mov components(%rip), %rax; xor %edx, %edx; xrstor64 before+256(%rip)\n"
    "push before+120(%rip); popfq\n"
    ".set at, 0\n.rept 16\nmov before+128+at(%rip), %rax; mov %rax, at-128(%rsp)\n.set at, at+8\n.endr\n"
    "mov before+0(%rip), %rax; mov before+8(%rip), %rbx; mov before+16(%rip), %rcx\n"
    "mov before+24(%rip), %rdx; mov before+32(%rip), %rsi; mov before+40(%rip), %rdi\n"
    "mov before+48(%rip), %rbp; mov before+56(%rip), %r8; mov before+64(%rip), %r9\n"
    "mov before+72(%rip), %r10; mov before+80(%rip), %r11; mov before+88(%rip), %r12\n"
    "mov before+96(%rip), %r13; mov before+104(%rip), %r14; mov before+112(%rip), %r15\n"
    "jmp *site(%rip)\n"
    /* 39 is getpid, 0 is read, 102 is getuid. */
    "site_mov: mov $102, %eax\nsite_mov_syscall: syscall\njmp probe_back\n"
    "site_xor: xor %eax, %eax\nsyscall\njmp probe_back\n"
    "site_between: mov $102, %eax; mov %r13, %r13\nsyscall\njmp probe_back\n"
    "site_register: mov %ebx, %eax\nsyscall\njmp probe_back\n"
    "site_cpuid: cpuid\n"
    ".global probe_back\nprobe_back:\n"
    "mov %rax, after+0(%rip); mov %rbx, after+8(%rip); mov %rcx, after+16(%rip)\n"
    "mov %rdx, after+24(%rip); mov %rsi, after+32(%rip); mov %rdi, after+40(%rip)\n"
    "mov %rbp, after+48(%rip); mov %r8, after+56(%rip); mov %r9, after+64(%rip)\n"
    "mov %r10, after+72(%rip); mov %r11, after+80(%rip); mov %r12, after+88(%rip)\n"
    "mov %r13, after+96(%rip); mov %r14, after+104(%rip); mov %r15, after+112(%rip)\n"
    ".set at, 0\n.rept 16\nmov at-128(%rsp), %rax; mov %rax, after+128+at(%rip)\n.set at, at+8\n.endr\n"
    "pushfq; pop after+120(%rip)\n"
    "push $0x202; popfq\n"
    "mov components(%rip), %rax; xor %edx, %edx; xsave64 after+256(%rip)\n"
    "mov saved_rsp(%rip), %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\nret\n");

/* An XSAVE component's place and size in the standard form (Intel SDM 1, 13.4). */
static void component(int number, uint32_t *offset, uint32_t *bytes) {
  uint32_t a = 0xd, b, c = (uint32_t)number, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  *offset = b;
  *bytes = a;
}

static void prepare(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  components = low & 0xe7;
  memset(&before, 0, sizeof before);
  for (int i = 0; i < GENERAL; i++) before.general[i] = 0x1122334455667788u * (uint64_t)(i + 1);
  for (int i = 0; i < 16; i++) before.zone[i] = 0xfeedface00000000u + (uint64_t)i;
  unsigned char *vector = before.vector;
  memcpy(vector, &(uint16_t){0x027f}, 2);      /* x87 control: double precision */
  memcpy(vector + 24, &(uint32_t){0x7f80}, 4); /* MXCSR: round to zero */
  for (int i = 160; i < 416; i++) vector[i] = pattern((size_t)i);
  for (int i = 2; i < 8; i++) {
    uint32_t offset, bytes;
    if (!(components >> i & 1)) continue;
    component(i, &offset, &bytes);
    for (uint32_t at = offset; at < offset + bytes; at++) vector[at] = pattern(at);
  }
  memcpy(vector + 512, &components, 8);
}

/* Which general registers differ, as bits. */
static unsigned changed(void) {
  unsigned bits = 0;
  for (int i = 0; i < GENERAL; i++)
    if (before.general[i] != after.general[i]) bits |= 1u << i;
  return bits;
}

static void check(const char *name, const void *at, uint64_t flags) {
  for (int round = 0; round < 3; round++) {
    before.flags = flags;
    memset(&after, 0, sizeof after);
    site = (uint64_t)at;
    probe();
    int vectors = 1;
    for (int i = 160; i < 416; i++) vectors &= before.vector[i] == after.vector[i];
    for (int i = 576; i < 4096; i++) vectors &= before.vector[i] == after.vector[i];
    int control = !memcmp(before.vector, after.vector, 2) && !memcmp(before.vector + 24, after.vector + 24, 4);
    printf("%s %lx: changed %x, flags %lx, vectors %d, control %d, red zone %d\n", name, flags, changed(),
           after.flags, vectors, control, !memcmp(before.zone, after.zone, sizeof before.zone));
  }
}

static void sites(uint64_t flags) {
  uint64_t bare[] = {39, 102, 500, 0x100000066};
  prepare();
  check("mov", site_mov, flags);
  OK(after.general[R11] == after.flags);
  OK(after.general[RCX] == (uint64_t)site_mov_syscall + 2);
  check("between", site_between, flags);
  before.general[RBX] = 110;
  check("register", site_register, flags);
  before.general[RDI] = (uint64_t)-1;
  check("xor", site_xor, flags);
  for (int i = 0; i < 4; i++) {
    before.general[RAX] = bare[i];
    check("the syscall itself", site_mov_syscall, flags);
  }
  OK(after.general[RCX] == (uint64_t)site_mov_syscall + 2);
  unsigned char *made = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  /* mov $102, %eax; syscall; jmp *3(%rip) */
  memcpy(made, "\xb8\x66\0\0\0\x0f\x05\xff\x25\3\0\0\0", 13);
  memcpy(made + 16, &(void *){probe_back}, 8);
  check("made at run time", made, flags);
  OK(after.general[R11] == after.flags);
  OK(after.general[RCX] == (uint64_t)made + 7);
  struct timespec *moment = (void *)(made + 2048);
  *moment = (struct timespec){0, 1000000};
  before.general[RAX] = SYS_nanosleep;
  before.general[RDI] = (uint64_t)moment;
  before.general[RSI] = 0;
  check("a call that sleeps", site_mov_syscall, flags);
  before.general[RAX] = 7;
  before.general[RCX] = 0;
  check("cpuid", site_cpuid, flags);
}

static void plain(void) { sites(0x202); }
static void arithmetic(void) { sites(0x202 | 0x8d5); }
static void direction(void) { sites(0x202 | 0x400); }
static void alignment(void) { sites(0x202 | 0x40000); }
static void identification(void) { sites(0x202 | 0x200000); }

static void numbers(void) {
  for (long number = 480; number < 520; number++) SHOW(syscall(number, 0, 0, 0, 0, 0, 0));
  SHOW(syscall(-1));
  SHOW(syscall(0x7fffffff));
  SHOW(syscall(0x40000000 + SYS_getpid + 10000));
}

TESTS({"plain", plain}, {"arithmetic", arithmetic}, {"direction", direction}, {"alignment", alignment},
      {"identification", identification}, {"numbers", numbers})
