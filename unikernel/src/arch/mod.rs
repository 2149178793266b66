//! The processor: entries, exceptions, the vCPU's own area.

pub mod entry;
pub mod exceptions;
pub mod frame;
pub mod per_cpu;
pub mod switch;

pub use frame::Frame;

use crate::vcpus;

/// Makes all vCPUs forget the translations of what was unmapped or protected.
pub fn flush() {
    vcpus::stop_others();
    flush_own();
}

/// Makes this vCPU forget them.
pub fn flush_own() {
    crate::boot::counters()
        .tlb_flushes
        .fetch_add(1, core::sync::atomic::Ordering::Relaxed);
    // SAFETY: the breakpoint's stub reloads cr3 and returns; all registers survive.
    unsafe { entry::flush_translations() };
}

/// The program's fs base.
pub fn set_fs_base(base: u64) {
    // SAFETY: the monitor has set CR4.FSGSBASE; the kernel itself does not use fs.
    unsafe { core::arch::asm!("wrfsbase {}", in(reg) base, options(nostack, preserves_flags)) };
}

pub fn fs_base() -> u64 {
    let base;
    // SAFETY: as for `set_fs_base`.
    unsafe { core::arch::asm!("rdfsbase {}", out(reg) base, options(nostack, preserves_flags)) };
    base
}

pub fn set_gs_base(base: u64) {
    // SAFETY: as for `set_fs_base`.
    unsafe { core::arch::asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags)) };
}

pub fn gs_base() -> u64 {
    let base;
    // SAFETY: as for `set_fs_base`.
    unsafe { core::arch::asm!("rdgsbase {}", out(reg) base, options(nostack, preserves_flags)) };
    base
}

/// The time-stamp counter, for intervals.
pub fn ticks() -> u64 {
    // SAFETY: rdtsc has no side effects.
    unsafe { core::arch::x86_64::_rdtsc() }
}
