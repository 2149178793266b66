//! Runs machine code with given registers, flags and stack, and shows what it left. The test's kernel
//! entries make the real `syscall` and `cpuid`, so that patched and unpatched code can be compared.

use std::arch::global_asm;
use std::ptr::{addr_of, addr_of_mut};
use std::sync::{Mutex, MutexGuard};

pub const RAX: usize = 0;
pub const RBX: usize = 1;
pub const RCX: usize = 2;
pub const RSP: usize = 7;
pub const FLAGS: usize = 16;
pub const STACK: usize = 1024;

/// rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to r15, flags.
pub type Registers = [u64; 17];

extern "C" {
    static mut pinion_patch_in: Registers;
    static mut pinion_patch_out: Registers;
    static mut pinion_patch_seen: Registers;
    static mut pinion_patch_entries: u64;
    static mut pinion_patch_stack: [u8; STACK];
    fn pinion_patch_run(target: u64);
    fn pinion_patch_exit();
    fn pinion_patch_syscall_entry();
    fn pinion_patch_cpuid_entry();
    fn mmap(
        address: *mut u8,
        length: usize,
        protection: i32,
        flags: i32,
        fd: i32,
        offset: i64,
    ) -> *mut u8;
    fn munmap(address: *mut u8, length: usize) -> i32;
}

global_asm!(
    ".macro pinion_store to",
    "mov [rip + \\to], rax",
    "mov [rip + \\to + 8], rbx",
    "mov [rip + \\to + 16], rcx",
    "mov [rip + \\to + 24], rdx",
    "mov [rip + \\to + 32], rsi",
    "mov [rip + \\to + 40], rdi",
    "mov [rip + \\to + 48], rbp",
    "mov [rip + \\to + 56], rsp",
    "mov [rip + \\to + 64], r8",
    "mov [rip + \\to + 72], r9",
    "mov [rip + \\to + 80], r10",
    "mov [rip + \\to + 88], r11",
    "mov [rip + \\to + 96], r12",
    "mov [rip + \\to + 104], r13",
    "mov [rip + \\to + 112], r14",
    "mov [rip + \\to + 120], r15",
    "mov rsp, [rip + pinion_patch_host_rsp]",
    "pushfq",
    "pop qword ptr [rip + \\to + 128]",
    ".endm",
    ".pushsection .text",
    ".globl pinion_patch_run, pinion_patch_exit, pinion_patch_syscall_entry, pinion_patch_cpuid_entry",
    "pinion_patch_run:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rip + pinion_patch_host_rsp], rsp",
    "mov [rip + pinion_patch_target], rdi",
    "push qword ptr [rip + pinion_patch_in + 128]",
    "popfq",
    "mov rax, [rip + pinion_patch_in]",
    "mov rbx, [rip + pinion_patch_in + 8]",
    "mov rcx, [rip + pinion_patch_in + 16]",
    "mov rdx, [rip + pinion_patch_in + 24]",
    "mov rsi, [rip + pinion_patch_in + 32]",
    "mov rdi, [rip + pinion_patch_in + 40]",
    "mov rbp, [rip + pinion_patch_in + 48]",
    "mov rsp, [rip + pinion_patch_in + 56]",
    "mov r8, [rip + pinion_patch_in + 64]",
    "mov r9, [rip + pinion_patch_in + 72]",
    "mov r10, [rip + pinion_patch_in + 80]",
    "mov r11, [rip + pinion_patch_in + 88]",
    "mov r12, [rip + pinion_patch_in + 96]",
    "mov r13, [rip + pinion_patch_in + 104]",
    "mov r14, [rip + pinion_patch_in + 112]",
    "mov r15, [rip + pinion_patch_in + 120]",
    "jmp qword ptr [rip + pinion_patch_target]",
    "pinion_patch_exit:",
    "pinion_store pinion_patch_out",
    "cld",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    // No instruction up to the system call changes a flag.
    "pinion_patch_syscall_entry:",
    "pinion_store pinion_patch_seen",
    "mov rsp, [rip + pinion_patch_entries]",
    "lea rsp, [rsp + 1]",
    "mov [rip + pinion_patch_entries], rsp",
    "mov rsp, [rip + pinion_patch_seen + 56]",
    "syscall",
    "mov rcx, [rip + pinion_patch_seen + 16]",
    "jmp rcx",
    "pinion_patch_cpuid_entry:",
    "pinion_store pinion_patch_seen",
    "mov rsp, [rip + pinion_patch_entries]",
    "lea rsp, [rsp + 1]",
    "mov [rip + pinion_patch_entries], rsp",
    "mov rsp, [rip + pinion_patch_seen + 56]",
    "cpuid",
    "jmp qword ptr [rip + pinion_patch_seen + 8]",
    ".popsection",
    ".pushsection .bss",
    ".globl pinion_patch_in, pinion_patch_out, pinion_patch_seen, pinion_patch_entries, pinion_patch_stack",
    ".balign 64",
    "pinion_patch_in: .skip 136",
    "pinion_patch_out: .skip 136",
    "pinion_patch_seen: .skip 136",
    "pinion_patch_entries: .skip 8",
    "pinion_patch_host_rsp: .skip 8",
    "pinion_patch_target: .skip 8",
    ".balign 64",
    "pinion_patch_stack: .skip 1024",
    ".popsection",
);

/// Everything a run can change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub registers: Registers,
    pub stack: Vec<u8>,
    pub memory: Vec<u8>,
}

/// The one machine: its registers and stack are statics.
pub struct Machine {
    _one: MutexGuard<'static, ()>,
}

static ONE: Mutex<()> = Mutex::new(());

impl Machine {
    pub fn new() -> Self {
        Self {
            _one: ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()),
        }
    }

    pub fn exit() -> u64 {
        pinion_patch_exit as *const () as u64
    }

    /// The kernel's entries, for the region's slots.
    pub fn entries() -> (u64, u64) {
        (
            pinion_patch_syscall_entry as *const () as u64,
            pinion_patch_cpuid_entry as *const () as u64,
        )
    }

    /// The address of the middle of the stack, where `rsp` begins.
    pub fn stack_middle() -> u64 {
        addr_of!(pinion_patch_stack) as u64 + STACK as u64 / 2
    }

    /// Runs the code at `target`, which ends with a jump to [`Self::exit`], with `data` as its memory.
    /// Gives what it left and how often it came by the kernel's entries.
    pub fn run(
        &mut self,
        target: u64,
        registers: &Registers,
        stack: &[u8],
        data: &mut [u8],
    ) -> (Outcome, u64) {
        assert_eq!(stack.len(), STACK);
        let before = data.to_vec();
        // SAFETY: the lock makes this the only user of the statics; the code at `target` is the test's own.
        unsafe {
            let on_stack = addr_of_mut!(pinion_patch_stack).cast::<u8>();
            on_stack.copy_from_nonoverlapping(stack.as_ptr(), STACK);
            pinion_patch_in = *registers;
            pinion_patch_entries = 0;
            pinion_patch_run(target);
            let left = std::slice::from_raw_parts(on_stack, STACK).to_vec();
            let outcome = Outcome {
                registers: pinion_patch_out,
                stack: left,
                memory: data.to_vec(),
            };
            data.copy_from_slice(&before);
            (outcome, pinion_patch_entries)
        }
    }

    /// The registers and flags at the last arrival in a kernel's entry.
    pub fn seen(&self) -> Registers {
        // SAFETY: only `run` writes it, under the lock.
        unsafe { pinion_patch_seen }
    }
}

/// Readable, writable and executable pages.
pub struct Pages {
    at: *mut u8,
    length: usize,
}

impl Pages {
    /// At `address` exactly when it is free, anywhere when it is 0.
    pub fn new(address: u64, length: usize) -> Option<Self> {
        const MAP_PRIVATE_ANONYMOUS: i32 = 0x22;
        const MAP_FIXED_NOREPLACE: i32 = 0x10_0000;
        let fixed = if address == 0 { 0 } else { MAP_FIXED_NOREPLACE };
        // SAFETY: a new mapping that replaces none.
        let at = unsafe {
            mmap(
                address as *mut u8,
                length,
                7,
                MAP_PRIVATE_ANONYMOUS | fixed,
                -1,
                0,
            )
        };
        let failed = at as isize == -1 || at.is_null();
        (!failed).then_some(Self { at, length })
    }

    pub fn address(&self) -> u64 {
        self.at as u64
    }

    pub fn pointer(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.length);
        self.at.wrapping_add(offset)
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is ours until it is dropped.
        unsafe { std::slice::from_raw_parts_mut(self.at, self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: nothing runs in the pages any more.
        unsafe {
            munmap(self.at, self.length);
        }
    }
}
