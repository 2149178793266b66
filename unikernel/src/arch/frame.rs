//! The program's registers as the entry code saves them.

/// In the order of Linux's `struct pt_regs` (arch/x86/include/asm/ptrace.h), so that it ends with
/// what `iretq` takes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    /// A system call's number; for an exception its vector.
    pub original: u64,
    /// An exception's error code.
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub flags: u64,
    pub rsp: u64,
    pub ss: u64,
}

/// Bytes of [`Frame`], for the assembly.
pub const FRAME_BYTES: usize = 22 * 8;
const _: () = assert!(size_of::<Frame>() == FRAME_BYTES);

impl Frame {
    /// The six arguments of a system call (syscall(2)).
    pub fn args(&self) -> [u64; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9]
    }
}
