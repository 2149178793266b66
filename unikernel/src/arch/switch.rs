//! Changing from one thread's kernel stack to another's.

use core::arch::{global_asm, x86_64::__cpuid_count};

use alloc::boxed::Box;

/// Room for the state that XSAVE keeps: all that the guest can have but AMX.
const EXTENDED_BYTES: usize = 4096;

/// The extended state (x87, SSE, AVX, AVX-512, PKRU) of a thread that is not running.
#[repr(C, align(64))]
pub struct Extended([u8; EXTENDED_BYTES]);

impl Extended {
    /// The state of this vCPU now, for a new thread to start with.
    pub fn current() -> Box<Extended> {
        let mut state = Box::new(Extended([0; EXTENDED_BYTES]));
        // SAFETY: the area is zeroed, aligned to 64 bytes and as large as `mask`'s components.
        unsafe { save_extended(&mut *state) };
        state
    }

    /// Bytes that [`MASK`]'s components take (Intel SDM 1, 13.5).
    pub fn bytes() -> usize {
        let mut end = 576;
        for component in (2..32).filter(|component| MASK >> component & 1 != 0) {
            let leaf = __cpuid_count(0xd, component);
            end = end.max((leaf.eax + leaf.ebx) as usize);
        }
        end
    }

    /// Whether the area has room for this machine's state.
    pub fn fits() -> bool {
        Extended::bytes() <= EXTENDED_BYTES
    }
}

/// x87, SSE, AVX, the three of AVX-512, PKRU.
const MASK: u32 = 0b10_1110_0111;

/// What a thread that is not running needs to go on.
#[repr(C)]
pub struct Context {
    /// The kernel stack, with the registers that a call preserves on it.
    pub stack: u64,
    pub extended: *mut Extended,
}

global_asm!(
    r#"
    .section .text.entry, "ax"

    /* rdi = the context to save to, rsi = the one to go on with. */
    .balign 16
    .global switch_context
switch_context:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov [rdi], rsp
    mov rcx, [rdi + 8]
    mov eax, {mask}
    xor edx, edx
    xsave [rcx]
    mov rcx, [rsi + 8]
    xrstor [rcx]
    mov rsp, [rsi]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

    /* rdi = the area. */
    .global save_extended
save_extended:
    mov eax, {mask}
    xor edx, edx
    xsave [rdi]
    ret

    /* Where a new thread's first switch returns to: its frame is on the stack. */
    .global start_thread
start_thread:
    mov rdi, rsp
    jmp resume
    "#,
    mask = const MASK,
);

extern "C" {
    pub fn switch_context(save: *mut Context, load: *const Context);
    fn save_extended(area: *mut Extended);
    pub fn start_thread();
}
