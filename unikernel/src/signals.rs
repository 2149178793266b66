//! Signals. The host delivers them to the monitor; what the kernel finds itself (faults) it raises
//! here. Handlers are recorded and mirrored on the host.

use pinion_abi::calls::machine;
use pinion_abi::Errno;
use spin::Mutex;

use crate::arch::Frame;
use crate::channel;
use crate::mm::user::Plain;
use crate::syscalls::process::exit_with_signal;

/// A signal's number (signal(7)), 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(pub u32);

impl Signal {
    pub const ILL: Signal = Signal(4);
    pub const TRAP: Signal = Signal(5);
    pub const BUS: Signal = Signal(7);
    pub const FPE: Signal = Signal(8);
    pub const KILL: Signal = Signal(9);
    pub const SEGV: Signal = Signal(11);
    pub const STOP: Signal = Signal(19);
}

/// The highest signal number.
pub const LAST: u32 = 64;

/// Why a signal is raised: `si_signo`, `si_code`, `si_addr` (sigaction(2)).
#[derive(Debug, Clone, Copy)]
pub struct Cause {
    pub signal: Signal,
    pub code: i32,
    pub address: u64,
}

/// The kernel's `struct sigaction` (rt_sigaction(2), asm-generic/signal.h).
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Action {
    pub handler: u64,
    pub flags: u64,
    pub restorer: u64,
    pub mask: u64,
}

// SAFETY: four integers without padding.
unsafe impl Plain for Action {}

pub const DEFAULT: u64 = 0;
pub const IGNORE: u64 = 1;

pub struct Signals {
    pub actions: [Action; LAST as usize + 1],
    pub blocked: u64,
    /// sigaltstack(2): ss_sp, ss_flags, ss_size.
    pub stack: [u64; 3],
}

pub static SIGNALS: Mutex<Signals> = Mutex::new(Signals {
    actions: [Action {
        handler: 0,
        flags: 0,
        restorer: 0,
        mask: 0,
    }; LAST as usize + 1],
    blocked: 0,
    stack: [0, 2, 0],
});

/// rt_sigaction(2) for one signal; returns the old action.
pub fn set_action(number: u32, action: Option<Action>) -> Result<Action, Errno> {
    let signal = Signal(number);
    if number == 0 || number > LAST {
        return Err(Errno::EINVAL);
    }
    if action.is_some() && (signal == Signal::KILL || signal == Signal::STOP) {
        return Err(Errno::EINVAL);
    }
    let mut signals = SIGNALS.lock();
    let old = signals.actions[number as usize];
    if let Some(action) = action {
        signals.actions[number as usize] = action;
        drop(signals);
        let disposition = match action.handler {
            DEFAULT => machine::DISPOSITION_DEFAULT,
            IGNORE => machine::DISPOSITION_IGNORE,
            _ => machine::DISPOSITION_HANDLE,
        };
        let before = match old.handler {
            DEFAULT => machine::DISPOSITION_DEFAULT,
            IGNORE => machine::DISPOSITION_IGNORE,
            _ => machine::DISPOSITION_HANDLE,
        };
        if disposition != before {
            channel::machine_call(
                machine::DISPOSITION,
                [u64::from(number), disposition, 0, 0, 0],
            );
        }
    }
    Ok(old)
}

/// A fault of the program: without delivery to handlers, it dies of it.
pub fn raise_fault(_frame: &mut Frame, cause: &Cause) {
    exit_with_signal(cause.signal.0)
}

/// The machine has no memory left for a page that must be there: as Linux's OOM killer.
pub fn out_of_memory() {
    exit_with_signal(Signal::KILL.0)
}
