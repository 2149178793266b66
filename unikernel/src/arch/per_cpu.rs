//! What belongs to one vCPU. It stands at the same address on each of them ([`layout::PER_CPU`]):
//! ring 3 has no swapgs, and fs and gs are the program's.

use pinion_abi::layout::{self, per_cpu, selector};

use crate::threads::Thread;

/// The variables that the entry code uses; offsets are pinned below for the assembly.
#[repr(C)]
pub struct Variables {
    /// The program's rsp while the kernel runs.
    pub user_rsp: u64,
    /// The top of the running thread's kernel stack.
    pub kernel_rsp: u64,
    /// cr2 of the last page fault.
    pub fault_address: u64,
    /// Scratch of the cpuid entry.
    pub scratch: u64,
    /// The program's rax at a breakpoint or a page fault.
    pub kept_rax: u64,
    /// The thread that runs.
    pub thread: *const Thread,
    /// Which vCPU this is, from 0.
    pub index: u64,
}

pub const USER_RSP: u64 = 0;
pub const KERNEL_RSP: u64 = 8;
pub const FAULT_ADDRESS: u64 = 16;
pub const SCRATCH: u64 = 24;
pub const KEPT_RAX: u64 = 32;

const _: () = assert!(core::mem::offset_of!(Variables, user_rsp) as u64 == USER_RSP);
const _: () = assert!(core::mem::offset_of!(Variables, kernel_rsp) as u64 == KERNEL_RSP);
const _: () = assert!(core::mem::offset_of!(Variables, fault_address) as u64 == FAULT_ADDRESS);
const _: () = assert!(core::mem::offset_of!(Variables, scratch) as u64 == SCRATCH);
const _: () = assert!(core::mem::offset_of!(Variables, kept_rax) as u64 == KEPT_RAX);

/// This vCPU's variables. Only the code that runs on the vCPU touches them.
pub fn variables() -> *mut Variables {
    (layout::PER_CPU + per_cpu::VARIABLES) as *mut Variables
}

/// Fills the descriptor tables of a vCPU whose private pages stand at `area` (an address that can
/// be written now; the tables themselves speak of [`layout::PER_CPU`]), and which stands for the host's
/// CPU of that number.
///
/// # Safety
/// `area` is the start of [`per_cpu::END`] bytes that nothing else uses.
pub unsafe fn fill(area: u64, exception_stubs: u64, stub_bytes: u64, cpu: u32) {
    let at = |offset: u64| (area + offset) as *mut u64;
    let gdt = at(per_cpu::GDT);
    let tss_base = layout::PER_CPU + per_cpu::TSS;
    let set = |selector: u16, descriptor: u64| {
        // SAFETY: every selector used below lies in the table's page.
        unsafe { gdt.add(usize::from(selector >> 3)).write(descriptor) }
    };
    set(selector::KERNEL_CODE, 0x00af_9b00_0000_ffff);
    set(selector::KERNEL_DATA, 0x00cf_9300_0000_ffff);
    set(selector::USER_DATA, 0x00cf_f300_0000_ffff);
    set(selector::USER_CODE, 0x00af_fb00_0000_ffff);
    // On node 0. The limit's lower 16 bits, its upper 4.
    let (low, high) = (u64::from(cpu & 0xffff), u64::from(cpu >> 16 & 15));
    set(selector::CPU_NODE, 0x0040_f500_0000_0000 | low | high << 48);
    let task = 0x8b00_0000_0000
        | (tss_base & 0xff_ffff) << 16
        | (tss_base >> 24 & 0xff) << 56
        | (per_cpu::TSS_BYTES - 1);
    set(selector::TASK, task);
    set(selector::TASK + 8, tss_base >> 32);

    let tss = area + per_cpu::TSS;
    let exception_stack = layout::PER_CPU + per_cpu::EXCEPTION_STACK + layout::PAGE;
    // SAFETY: the offsets are those of a 64-bit TSS (rsp0, ist1, I/O map base) within its pages;
    // the I/O bitmap is all zero, so ports are open to ring 3, and ends with a byte of ones.
    unsafe {
        ((tss + 4) as *mut u64).write_unaligned(exception_stack);
        ((tss + 36) as *mut u64).write_unaligned(exception_stack);
        ((tss + 102) as *mut u16).write_unaligned(104);
        ((tss + per_cpu::TSS_BYTES - 1) as *mut u8).write(0xff);
    }

    let idt = at(per_cpu::IDT);
    for vector in 0..32 {
        let to = exception_stubs + vector * stub_bytes;
        // Interrupt gate, privilege 3, IST 1, to a stub at ring 0.
        let low = (to & 0xffff)
            | u64::from(selector::KERNEL_CODE) << 16
            | 1 << 32
            | 0xee << 40
            | (to >> 16 & 0xffff) << 48;
        // SAFETY: 32 gates of 16 bytes lie in the table's page.
        unsafe {
            idt.add(vector as usize * 2).write(low);
            idt.add(vector as usize * 2 + 1).write(to >> 32);
        }
    }
}
