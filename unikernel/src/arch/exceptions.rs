//! Exceptions: page faults that mappings explain are served; others become signals.

use core::ops::Range;
use core::sync::atomic::Ordering;

use pinion_abi::layout::{vector, PER_CPU, USER_END};

use super::entry::{
    user_copy_access, user_copy_fixup, user_exchange_access, user_exchange_fixup,
    user_string_access, user_string_fixup,
};
use super::per_cpu::variables;
use super::Frame;
use crate::boot;
use crate::mm::space::{Access, Fault, SPACE};
use crate::mm::user;
use crate::signals::{self, Cause, Restart, Signal};
use crate::text;
use crate::threads::scheduler;
use crate::vcpus;

const DIVIDE: u64 = 0;
const DEBUG: u64 = 1;
const BREAKPOINT: u64 = 3;
const OVERFLOW: u64 = 4;
const INVALID_OPCODE: u64 = 6;
const STACK: u64 = 12;
const PAGE_FAULT: u64 = 14;
const X87: u64 = 16;
const ALIGNMENT: u64 = 17;
const SIMD: u64 = 19;

/// Bits of a page fault's error code (Intel SDM 3A, 4.7).
const ERROR_WRITE: u64 = 1 << 1;
const ERROR_FETCH: u64 = 1 << 4;

/// Where the kernel's code can be: a program that jumps to the upper half does not run there.
const KERNEL_CODE: Range<u64> = PER_CPU..1 << 47;
/// The alignment check flag, which the program's flags may bring into the kernel.
const ALIGNMENT_CHECK: u64 = 1 << 18;
/// `int imm8`.
const INT: u8 = 0xcd;

/// Called by the entry code: for the program's exceptions on the thread's kernel stack, for the
/// kernel's own on the fault stack, which nothing may fault on.
pub extern "C" fn exception(frame: &mut Frame) {
    let address = if frame.original == PAGE_FAULT {
        // SAFETY: this vCPU's own variables; the stub wrote the field.
        unsafe { (*variables()).fault_address }
    } else {
        frame.rip
    };
    if frame.original == PAGE_FAULT {
        boot::counters().page_faults.fetch_add(1, Ordering::Relaxed);
    }
    if KERNEL_CODE.contains(&frame.rip) {
        return in_kernel(frame, address);
    }
    vcpus::enter();
    in_program(frame, address);
    scheduler::share();
    vcpus::leave();
}

fn in_program(frame: &mut Frame, address: u64) {
    if frame.original == vector::PREEMPT {
        scheduler::give_way();
        signals::deliver(frame, Restart::No);
        return signals::spread();
    }
    if frame.original == BREAKPOINT {
        // A jump into the padding of a patch, which stands for an instruction that was moved.
        let at = frame.rip - 1;
        let moved = text::relocated(at);
        if moved != at {
            frame.rip = moved;
            return;
        }
    }
    let cause = match frame.original {
        PAGE_FAULT => match serve(frame.error, address) {
            Ok(()) => return,
            Err(Fault::NoMemory) => return signals::out_of_memory(),
            Err(Fault::Unmapped) => Cause {
                signal: Signal::SEGV,
                code: 1,
                address,
            },
            Err(Fault::Denied) => Cause {
                signal: Signal::SEGV,
                code: 2,
                address,
            },
        },
        DIVIDE => Cause {
            signal: Signal::FPE,
            code: 1,
            address,
        },
        X87 | SIMD => Cause {
            signal: Signal::FPE,
            code: 3,
            address,
        },
        DEBUG => Cause {
            signal: Signal::TRAP,
            code: 1,
            address,
        },
        BREAKPOINT => Cause {
            signal: Signal::TRAP,
            code: 0x80,
            address: 0,
        },
        STACK => Cause {
            signal: Signal::BUS,
            code: 0x80,
            address: 0,
        },
        // kvm_pvm raises #UD for software interrupts, for which the processor has #GP.
        INVALID_OPCODE if user::read(frame.rip) == Ok(INT) => Cause {
            signal: Signal::SEGV,
            code: 0x80,
            address: 0,
        },
        INVALID_OPCODE => Cause {
            signal: Signal::ILL,
            code: 2,
            address,
        },
        ALIGNMENT => Cause {
            signal: Signal::BUS,
            code: 1,
            address: 0,
        },
        OVERFLOW => Cause {
            signal: Signal::SEGV,
            code: 0x80,
            address: 0,
        },
        _ => Cause {
            signal: Signal::SEGV,
            code: 0x80,
            address: 0,
        },
    };
    signals::raise_fault(frame, &cause);
}

fn serve(error: u64, address: u64) -> Result<(), Fault> {
    if address >= USER_END {
        return Err(Fault::Unmapped);
    }
    let access = if error & ERROR_FETCH != 0 {
        Access::Execute
    } else if error & ERROR_WRITE != 0 {
        Access::Write
    } else {
        Access::Read
    };
    SPACE.lock().fault(address, access)
}

/// The kernel itself may fault only where it copies from or to the program's memory.
fn in_kernel(frame: &mut Frame, address: u64) {
    if frame.original == ALIGNMENT {
        frame.flags &= !ALIGNMENT_CHECK;
        return;
    }
    let fixups = [
        (
            user_copy_access as *const () as u64,
            user_copy_fixup as *const () as u64,
        ),
        (
            user_string_access as *const () as u64,
            user_string_fixup as *const () as u64,
        ),
        (
            user_exchange_access as *const () as u64,
            user_exchange_fixup as *const () as u64,
        ),
    ];
    let fixup = fixups.iter().find(|(access, _)| *access == frame.rip);
    match fixup {
        Some(_) if frame.original == PAGE_FAULT && serve(frame.error, address).is_ok() => {}
        Some((_, fixup)) => frame.rip = *fixup,
        None => panic!(
            "exception {} (error {:#x}) in the kernel at {:#x}, address {address:#x}",
            frame.original, frame.error, frame.rip
        ),
    }
}
