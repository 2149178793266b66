//! The ways into the kernel and back, in assembly.
//!
//! Kernel and program are both at ring 3, so entering is saving registers and changing the stack;
//! the program's stack is never touched (its red zone is live). A `syscall` instruction that was
//! not patched goes by [`syscall_stub`], which stock KVM runs at ring 0 and kvm_pvm at ring 3: its
//! `iretq` ends at ring 3 in both.

use core::arch::global_asm;

use pinion_abi::layout::{self, per_cpu, selector};
use pinion_abi::ports;

use super::frame::{Frame, FRAME_BYTES};
use super::per_cpu::{FAULT_ADDRESS, KEPT_RAX, KERNEL_RSP, SCRATCH, USER_RSP};

/// The flags with which the kernel runs and programs start: interrupts on, as programs see them on
/// Linux, though nothing ever interrupts. Ports are open by the TSS, not by I/O privilege, which a
/// program would see and with which it could execute `cli`.
pub const KERNEL_FLAGS: u64 = 0x202;
/// Bytes between the exception stubs.
pub const STUB_BYTES: u64 = 32;

const BREAKPOINT: u64 = 3;
const PAGE_FAULT: u64 = 14;
/// Vectors with which the processor pushes an error code.
const WITH_ERROR: u64 = 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21;

const EXCEPTION_TOP: u64 = per_cpu::EXCEPTION_STACK + layout::PAGE;
const STUB_TOP: u64 = per_cpu::STUB_STACK + layout::PAGE;

global_asm!(
    r#"
    .section .text.entry, "ax"

    .macro SAVE_GENERAL
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    .endm

    .macro LOAD_GENERAL
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    .endm

    /* rustc uses xmm0-15 in the kernel; the upper halves stay as they are. */
    .macro SAVE_VECTOR
    sub rsp, 256
    movaps [rsp], xmm0
    movaps [rsp + 16], xmm1
    movaps [rsp + 32], xmm2
    movaps [rsp + 48], xmm3
    movaps [rsp + 64], xmm4
    movaps [rsp + 80], xmm5
    movaps [rsp + 96], xmm6
    movaps [rsp + 112], xmm7
    movaps [rsp + 128], xmm8
    movaps [rsp + 144], xmm9
    movaps [rsp + 160], xmm10
    movaps [rsp + 176], xmm11
    movaps [rsp + 192], xmm12
    movaps [rsp + 208], xmm13
    movaps [rsp + 224], xmm14
    movaps [rsp + 240], xmm15
    .endm

    .macro LOAD_VECTOR
    movaps xmm0, [rsp]
    movaps xmm1, [rsp + 16]
    movaps xmm2, [rsp + 32]
    movaps xmm3, [rsp + 48]
    movaps xmm4, [rsp + 64]
    movaps xmm5, [rsp + 80]
    movaps xmm6, [rsp + 96]
    movaps xmm7, [rsp + 112]
    movaps xmm8, [rsp + 128]
    movaps xmm9, [rsp + 144]
    movaps xmm10, [rsp + 160]
    movaps xmm11, [rsp + 176]
    movaps xmm12, [rsp + 192]
    movaps xmm13, [rsp + 208]
    movaps xmm14, [rsp + 224]
    movaps xmm15, [rsp + 240]
    add rsp, 256
    .endm

    /* A `syscall` instruction: rcx = the next one, r11 = the flags. */
    .balign 64
    .global syscall_stub
syscall_stub:
    mov [rip + per_cpu_area + {user_rsp}], rsp
    mov rsp, rcx
    shr rsp, 39
    cmp rsp, {kernel} >> 39
    lea rsp, [rip + per_cpu_area + {stub_top}]
    je 7f
    push {user_data}
    push qword ptr [rip + per_cpu_area + {kernel_rsp}]
    push {flags}
    push {user_code}
    push qword ptr [rip + trapped_call_address]
    iretq
    /* The vDSO's fallback, called by the kernel: the kernel then asks the host itself. */
7:  push {user_data}
    push qword ptr [rip + per_cpu_area + {user_rsp}]
    push r11
    push {user_code}
    push rcx
    mov rax, {no_system_call}
    iretq
    .balign 8
trapped_call_address:
    .quad trapped_call

    .balign 64
trapped_call:
    push {user_data}
    push qword ptr [rip + per_cpu_area + {user_rsp}]
    push r11
    push {user_code}
    push rcx
    push 1
    jmp 1f

    /* A trampoline's jump: rcx = the address after the `syscall`. */
    .balign 64
    .global patched_call
patched_call:
    mov [rip + per_cpu_area + {user_rsp}], rsp
    mov rsp, [rip + per_cpu_area + {kernel_rsp}]
    push {user_data}
    push qword ptr [rip + per_cpu_area + {user_rsp}]
    pushfq
    push {user_code}
    push rcx
    push 0
1:  push rax
    SAVE_GENERAL
    cld
    mov rdi, rsp
    SAVE_VECTOR
    call {system_call}
    test eax, eax
    jnz 6f
    LOAD_VECTOR
    LOAD_GENERAL
    add rsp, 16
    pop rcx
    add rsp, 8
    popfq
    mov rsp, [rsp]
    jmp rcx
6:  LOAD_VECTOR
    LOAD_GENERAL
    add rsp, 16
    iretq

    /* Starts or resumes a program: rdi = its frame. No vector registers are loaded. */
    .global resume
resume:
    mov rsp, rdi
    LOAD_GENERAL
    add rsp, 16
    iretq

    /* A detoured `cpuid`: rbx = where to go on; eax, ecx as the program set them. */
    .balign 64
    .global patched_cpuid
patched_cpuid:
    mov [rip + per_cpu_area + {user_rsp}], rsp
    mov rsp, [rip + per_cpu_area + {kernel_rsp}]
    push {user_data}
    push qword ptr [rip + per_cpu_area + {user_rsp}]
    pushfq
    push {user_code}
    push rbx
    push 0
    push rax
    SAVE_GENERAL
    cld
    mov rdi, rsp
    SAVE_VECTOR
    call {cpuid}
    LOAD_VECTOR
    LOAD_GENERAL
    add rsp, 16
    pop qword ptr [rip + per_cpu_area + {scratch}]
    add rsp, 8
    popfq
    mov rsp, [rsp]
    jmp qword ptr [rip + per_cpu_area + {scratch}]

    /* Exceptions: stubs at ring 0 on the exception stack. kvm_pvm emulates them, a microsecond and more for
     * each instruction, so they do nothing but what ring 3 cannot, and return to a frame that is always
     * the same. rax then holds cr2, and the program's is kept. */
    .macro STUB vector
    .balign {stub_bytes}
    .if \vector == {breakpoint}
    mov [rip + per_cpu_area + {kept_rax}], rax
    mov rax, cr3
    mov cr3, rax
    .elseif \vector == {page_fault}
    mov [rip + per_cpu_area + {kept_rax}], rax
    mov rax, cr2
    .endif
    lea rsp, [rip + exception_frames + 40 * \vector]
    iretq
    .endm

    .balign 64
    .global exception_stubs
exception_stubs:
    .set vector, 0
    .rept 32
    STUB vector
    .set vector, vector + 1
    .endr

    /* Where a stub returns to at ring 3, on the fault stack. */
    .balign 8
exception_frames:
    .set vector, 0
    .rept 32
    .quad exception_vectors + {stub_bytes} * vector, {user_code}, {flags}, per_cpu_area + {area_end}, {user_data}
    .set vector, vector + 1
    .endr

    /* Adds to the hardware's frame what it lacks: the vector, and an error code. */
    .macro VECTOR vector
    .balign {stub_bytes}
    .if \vector == {breakpoint}
    jmp breakpoint
    .elseif \vector == {page_fault}
    jmp page_fault
    .else
    mov qword ptr [rip + per_cpu_area + {exception_top} - 56], \vector
    .if (1 << \vector) & {with_error} == 0
    mov qword ptr [rip + per_cpu_area + {exception_top} - 48], 0
    .endif
    jmp exception_entry
    .endif
    .endm

    .balign 64
exception_vectors:
    .set vector, 0
    .rept 32
    VECTOR vector
    .set vector, vector + 1
    .endr

page_fault:
    mov [rip + per_cpu_area + {fault_address}], rax
    mov rax, [rip + per_cpu_area + {kept_rax}]
    mov qword ptr [rip + per_cpu_area + {exception_top} - 56], {page_fault}
    jmp exception_entry

breakpoint:
    lea rax, [rip + after_flush]
    cmp rax, [rip + per_cpu_area + {exception_top} - 40]
    mov rax, [rip + per_cpu_area + {kept_rax}]
    je 2f
    mov qword ptr [rip + per_cpu_area + {exception_top} - 56], {breakpoint}
    mov qword ptr [rip + per_cpu_area + {exception_top} - 48], 0
    jmp exception_entry
2:  mov rsp, [rip + per_cpu_area + {exception_top} - 16]
    ret

    /* Ring 3, on the fault stack; the hardware's frame, vector and error code stand on the
     * exception stack. */
    .balign 16
    .global exception_entry
exception_entry:
    push qword ptr [rip + per_cpu_area + {exception_top} - 8]
    push qword ptr [rip + per_cpu_area + {exception_top} - 16]
    push qword ptr [rip + per_cpu_area + {exception_top} - 24]
    push qword ptr [rip + per_cpu_area + {exception_top} - 32]
    push qword ptr [rip + per_cpu_area + {exception_top} - 40]
    push qword ptr [rip + per_cpu_area + {exception_top} - 48]
    push qword ptr [rip + per_cpu_area + {exception_top} - 56]
    SAVE_GENERAL
    cld
    /* A fault of the program is handled on its thread's kernel stack, so that the handler may wait
     * and other threads may run; one of the kernel itself (in a copy) stays on the fault stack. */
    lea rax, [rip + per_cpu_area]
    cmp [rsp + {frame_rip}], rax
    jae 5f
    mov rdi, [rip + per_cpu_area + {kernel_rsp}]
    sub rdi, {frame_bytes}
    mov rbx, rdi
    mov rsi, rsp
    mov ecx, {frame_bytes} / 8
    rep movsq
    mov rsp, rbx
5:  mov rdi, rsp
    SAVE_VECTOR
    call {exception}
    LOAD_VECTOR
    LOAD_GENERAL
    add rsp, 16
    iretq

    /* Drops all translations of this vCPU, as each `int3` does: this one's entry goes on from here. */
    .global flush_translations
flush_translations:
    int3
after_flush:
    ret

    /* The kernel's ways out of the guest. */
    .global out_start
out_start:
    .global out_serve
out_serve:
    out {serve}, al
    ret
    .global out_panic
out_panic:
    out {panic}, al
    jmp out_panic
    .global out_end
out_end:

    /* rdi = to, rsi = from, rdx = bytes; returns how many bytes were not copied. A fault that
     * cannot be served continues at copy_fixup, with rcx counting what is left. */
    .global user_copy
user_copy:
    mov rcx, rdx
    .global user_copy_access
user_copy_access:
    rep movsb
    .global user_copy_fixup
user_copy_fixup:
    mov rax, rcx
    ret

    /* rdi = where (user), esi = what must stand there, edx = what shall stand there; returns 0 if it
     * does, 1 if something else stood there, -1 for a fault. */
    .global user_exchange
user_exchange:
    mov eax, esi
    .global user_exchange_access
user_exchange_access:
    lock cmpxchg [rdi], edx
    setne al
    movzx eax, al
    ret
    .global user_exchange_fixup
user_exchange_fixup:
    mov eax, -1
    ret

    /* rdi = to, rsi = from (user), rdx = the most bytes: copies up to and with a zero byte; returns
     * how many bytes, the zero byte included, 0 if there was none, -1 for a fault. */
    .global user_copy_string
user_copy_string:
    xor eax, eax
3:  cmp rax, rdx
    je 4f
    .global user_string_access
user_string_access:
    mov cl, [rsi + rax]
    mov [rdi + rax], cl
    inc rax
    test cl, cl
    jnz 3b
    ret
4:  xor eax, eax
    ret
    .global user_string_fixup
user_string_fixup:
    mov rax, -1
    ret
    "#,
    user_rsp = const USER_RSP,
    kernel_rsp = const KERNEL_RSP,
    fault_address = const FAULT_ADDRESS,
    scratch = const SCRATCH,
    stub_top = const STUB_TOP,
    kept_rax = const KEPT_RAX,
    breakpoint = const BREAKPOINT,
    page_fault = const PAGE_FAULT,
    with_error = const WITH_ERROR,
    exception_top = const EXCEPTION_TOP,
    area_end = const per_cpu::END,
    frame_bytes = const FRAME_BYTES,
    frame_rip = const core::mem::offset_of!(Frame, rip),
    user_data = const selector::USER_DATA,
    user_code = const selector::USER_CODE,
    flags = const KERNEL_FLAGS,
    stub_bytes = const STUB_BYTES,
    serve = const ports::SERVE,
    panic = const ports::PANIC,
    kernel = const layout::KERNEL,
    no_system_call = const pinion_abi::Errno::ENOSYS.as_result(),
    system_call = sym crate::syscalls::system_call,
    cpuid = sym crate::cpuid::answer,
    exception = sym crate::arch::exceptions::exception,
);

const _: () = assert!(FRAME_BYTES % 16 == 0);

extern "C" {
    pub fn syscall_stub();
    pub fn patched_call();
    pub fn patched_cpuid();
    pub fn exception_stubs();
    pub fn exception_entry();
    pub fn resume(frame: *const Frame) -> !;
    /// Makes this vCPU forget all translations. 5 us on a quick machine, 25 us on a slow one.
    pub fn flush_translations();
    /// Leaves the guest until the monitor has served the channel.
    pub fn out_serve();
    pub fn out_panic() -> !;
    pub fn out_start();
    pub fn out_end();
    pub fn user_copy(to: u64, from: u64, bytes: u64) -> u64;
    pub fn user_copy_access();
    pub fn user_copy_fixup();
    pub fn user_copy_string(to: u64, from: u64, most: u64) -> i64;
    pub fn user_string_access();
    pub fn user_string_fixup();
    pub fn user_exchange(address: u64, old: u32, new: u32) -> i32;
    pub fn user_exchange_access();
    pub fn user_exchange_fixup();
}
