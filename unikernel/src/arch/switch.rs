//! Changing from one thread's kernel stack to another's.

use core::arch::{global_asm, x86_64::__cpuid_count};

use alloc::boxed::Box;

use super::Frame;
use crate::vcpus;

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

    /// The components that are kept: x87, SSE, AVX, the three of AVX-512, PKRU.
    pub const MASK: u32 = MASK;

    /// The whole state of the program whose frame this is: the entry code saved xmm0-15 right below
    /// it, the rest is in the registers still.
    pub fn of_program(frame: &Frame) -> Box<Extended> {
        let mut state = Extended::current();
        let saved = (frame as *const Frame as u64 - VECTOR_BYTES as u64) as *const u8;
        // SAFETY: the entry code keeps the registers there while the kernel runs.
        unsafe {
            let to = state.0.as_mut_ptr().add(VECTOR_OFFSET);
            core::ptr::copy_nonoverlapping(saved, to, VECTOR_BYTES);
        }
        // The components are in use from here on, whatever the processor tracked.
        state.0[512] |= 3;
        state
    }

    pub fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    /// Makes what a program wrote loadable. `whole`: it has more than the legacy area.
    pub fn sanitize(&mut self, whole: bool) {
        let header = &mut self.0[512..576];
        if !whole {
            header[..8].copy_from_slice(&3u64.to_le_bytes());
        }
        let present = u64::from_le_bytes(header[..8].try_into().unwrap_or([0; 8]));
        header[..8].copy_from_slice(&(present & u64::from(MASK)).to_le_bytes());
        header[8..].fill(0);
        // Reserved bits of MXCSR fault when they are loaded.
        let control = u32::from_le_bytes(self.0[24..28].try_into().unwrap_or([0; 4]));
        self.0[24..28].copy_from_slice(&(control & 0xffff).to_le_bytes());
    }

    /// Gives the program this state when it goes on from the frame.
    pub fn load(&self, frame: &mut Frame) {
        let saved = (frame as *mut Frame as u64 - VECTOR_BYTES as u64) as *mut u8;
        let used = self.0[512] & 2 != 0;
        // SAFETY: as in `of_program`; the area was sanitised, and the registers that the compiler
        // may use are not in use over the call.
        unsafe {
            if used {
                let from = self.0.as_ptr().add(VECTOR_OFFSET);
                core::ptr::copy_nonoverlapping(from, saved, VECTOR_BYTES);
            } else {
                core::ptr::write_bytes(saved, 0, VECTOR_BYTES);
            }
            load_extended(self);
        }
    }

    /// Gives the program a fresh state, as a handler begins with.
    pub fn clear(frame: &mut Frame) {
        let mut fresh = Box::new(Extended([0; EXTENDED_BYTES]));
        // The x87 control word and MXCSR of a new program; the header says that all else is so too.
        fresh.0[..2].copy_from_slice(&0x37fu16.to_le_bytes());
        fresh.0[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
        fresh.load(frame);
    }

    /// Gives this vCPU the state, whosever it is.
    pub fn restore(&self) {
        // SAFETY: the area was filled by `save_extended` with the same components.
        unsafe { load_extended(self) };
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

/// xmm0-15 in the legacy area.
const VECTOR_OFFSET: usize = 160;
const VECTOR_BYTES: usize = 256;
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

    /* rdi = the area. */
    .global load_extended
load_extended:
    mov eax, {mask}
    xor edx, edx
    xrstor [rdi]
    ret

    /* Where a new thread's first switch returns to: its frame is on the stack. */
    .global start_thread
start_thread:
    call {leave}
    mov rdi, rsp
    jmp resume
    "#,
    mask = const MASK,
    leave = sym leave_kernel,
);

extern "C" fn leave_kernel() {
    vcpus::leave();
}

extern "C" {
    pub fn switch_context(save: *mut Context, load: *const Context);
    fn save_extended(area: *mut Extended);
    fn load_extended(area: *const Extended);
    pub fn start_thread();
}
