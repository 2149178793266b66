//! Signals (signal(7)). The host sends them to the monitor, which passes on those that the program
//! handles; the host itself ignores or kills for the others. What the kernel finds itself (faults)
//! and what threads send each other it raises here. Handlers run by [`frame`].

pub mod frame;

use core::sync::atomic::Ordering;

use pinion_abi::calls::machine;
use pinion_abi::Errno;
use spin::Mutex;

use crate::arch::Frame;
use crate::boot;
use crate::channel::{self, Owned};
use crate::mm::user::Plain;
use crate::syscalls::process::exit_with_signal;
use crate::text;
use crate::threads::{current, scheduler, Thread};

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

    pub const fn bit(self) -> u64 {
        1 << (self.0 - 1)
    }
}

/// kill(2)'s number.
const KILL: u32 = 62;
/// The highest signal number.
pub const LAST: u32 = 64;
/// What cannot be blocked.
pub const UNBLOCKABLE: u64 = Signal::KILL.bit() | Signal::STOP.bit();
/// Ignored by default: SIGCHLD, SIGCONT, SIGURG, SIGWINCH.
const IGNORED: u64 = 1 << 16 | 1 << 17 | 1 << 22 | 1 << 27;

/// Why a fault's signal is raised: `si_signo`, `si_code`, `si_addr` (sigaction(2)).
#[derive(Debug, Clone, Copy)]
pub struct Cause {
    pub signal: Signal,
    pub code: i32,
    pub address: u64,
}

/// What a handler is told.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    pub signal: Signal,
    pub code: i32,
    /// `si_pid` and `si_uid`, or the halves of `si_addr`.
    pub sender: [u32; 2],
    pub status: u32,
    pub value: u64,
}

const SI_TKILL: i32 = -6;

impl Info {
    const NONE: Info = Info {
        signal: Signal(0),
        code: 0,
        sender: [0; 2],
        status: 0,
        value: 0,
    };

    fn of_fault(cause: &Cause) -> Info {
        let address = cause.address;
        let sender = [address as u32, (address >> 32) as u32];
        Info {
            signal: cause.signal,
            code: cause.code,
            sender,
            status: 0,
            value: 0,
        }
    }

    fn own(signal: Signal, code: i32) -> Info {
        let process = &boot::info().process;
        Info {
            signal,
            code,
            sender: [process.pid, process.uid],
            status: 0,
            value: 0,
        }
    }
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

impl Action {
    fn disposition(&self) -> u64 {
        match self.handler {
            DEFAULT => machine::DISPOSITION_DEFAULT,
            IGNORE => machine::DISPOSITION_IGNORE,
            _ => machine::DISPOSITION_HANDLE,
        }
    }

    fn ignores(&self, signal: Signal) -> bool {
        self.handler == IGNORE || self.handler == DEFAULT && IGNORED & signal.bit() != 0
    }

    fn is_handler(&self) -> bool {
        self.disposition() == machine::DISPOSITION_HANDLE
    }
}

struct Signals {
    actions: [Action; LAST as usize + 1],
    /// Signals of the process that no thread has taken yet, and what they say.
    pending: u64,
    infos: [Info; LAST as usize + 1],
    /// What the host was last told to hold back: what every thread blocks.
    held: u64,
}

static SIGNALS: Mutex<Signals> = Mutex::new(Signals {
    actions: [Action {
        handler: 0,
        flags: 0,
        restorer: 0,
        mask: 0,
    }; LAST as usize + 1],
    pending: 0,
    infos: [Info::NONE; LAST as usize + 1],
    held: 0,
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
    let old = SIGNALS.lock().actions[number as usize];
    if let Some(action) = action {
        SIGNALS.lock().actions[number as usize] = action;
        if action.ignores(signal) {
            forget(signal);
        }
        let disposition = action.disposition();
        if disposition != old.disposition() {
            let args = [u64::from(number), disposition, 0, 0, 0];
            channel::machine_call(machine::DISPOSITION, args);
            if current().blocked_signals.load(Ordering::Relaxed) & signal.bit() != 0 {
                hold();
            }
        }
    }
    Ok(old)
}

/// A signal that is ignored from now on is no longer pending either (sigaction(2), POSIX).
fn forget(signal: Signal) {
    collect();
    SIGNALS.lock().pending &= !signal.bit();
    scheduler::fold((), |(), thread| {
        thread
            .pending_signals
            .fetch_and(!signal.bit(), Ordering::Relaxed);
    });
}

/// The running thread blocks these from now on.
pub fn set_blocked(set: u64) {
    current()
        .blocked_signals
        .store(set & !UNBLOCKABLE, Ordering::Relaxed);
    hold();
}

/// Has the host hold back what all threads block and nobody here wants to know of.
fn hold() {
    let blocked = scheduler::fold(u64::MAX, |all, thread| {
        let awaited = thread.awaited_signals.load(Ordering::Relaxed);
        all & thread.blocked_signals.load(Ordering::Relaxed) & !awaited
    });
    let (held, before) = {
        let mut signals = SIGNALS.lock();
        let numbers = (1..=LAST).map(Signal);
        let handled = numbers.filter(|signal| signals.actions[signal.0 as usize].is_handler());
        let handled = handled.fold(0, |set, signal| set | signal.bit());
        let held = blocked & !handled;
        (held, core::mem::replace(&mut signals.held, held))
    };
    if held != before {
        Owned::take().call_here(machine::BLOCK, &[held, 0, 0, 0, 0, 0]);
    }
}

/// The running thread waits for these, which it mostly blocks; 0: it does so no more.
pub fn set_awaited(set: u64) {
    let before = current().awaited_signals.swap(set, Ordering::Relaxed);
    for signal in (1..=LAST)
        .map(Signal)
        .filter(|signal| (set ^ before) & signal.bit() != 0)
    {
        let disposition = SIGNALS.lock().actions[signal.0 as usize].disposition();
        if disposition != machine::DISPOSITION_HANDLE {
            let noted = set & signal.bit() != 0;
            let wanted = if noted {
                machine::DISPOSITION_HANDLE
            } else {
                disposition
            };
            channel::machine_call(machine::DISPOSITION, [u64::from(signal.0), wanted, 0, 0, 0]);
        }
    }
    hold();
}

/// Takes over what the monitor noted.
fn collect() {
    let came = channel::take_signals();
    if came == 0 {
        return;
    }
    let mut signals = SIGNALS.lock();
    for number in (1..=LAST).filter(|number| came & Signal(*number).bit() != 0) {
        let origin = channel::origin(number);
        signals.infos[number as usize] = Info {
            signal: Signal(number),
            code: origin.code.load(Ordering::Relaxed) as i32,
            sender: [
                origin.process.load(Ordering::Relaxed),
                origin.user.load(Ordering::Relaxed),
            ],
            status: origin.status.load(Ordering::Relaxed),
            value: origin.value.load(Ordering::Relaxed),
        };
    }
    signals.pending |= came;
}

/// A child of fork(2) has none of its parent's.
pub fn forget_pending() {
    SIGNALS.lock().pending = 0;
    current().pending_signals.store(0, Ordering::Relaxed);
}

/// Everything that waits for the thread or the process.
pub fn pending(thread: &Thread) -> u64 {
    collect();
    SIGNALS.lock().pending | thread.pending_signals.load(Ordering::Relaxed)
}

/// Whether signals wait for a thread of the process to take them.
pub fn have_come() -> bool {
    channel::has_signals() || SIGNALS.lock().pending != 0
}

/// Whether a signal would interrupt the thread.
pub fn interrupts(thread: &Thread) -> bool {
    let blocked = thread.blocked_signals.load(Ordering::Relaxed);
    let awaited = thread.awaited_signals.load(Ordering::Relaxed);
    pending(thread) & (!blocked | awaited) != 0
}

/// Takes the first signal of the set that waits for the running thread.
pub fn take(set: u64) -> Option<Info> {
    let thread = current();
    collect();
    let own = thread.pending_signals.load(Ordering::Relaxed) & set;
    if own != 0 {
        let signal = Signal(own.trailing_zeros() + 1);
        thread
            .pending_signals
            .fetch_and(!signal.bit(), Ordering::Relaxed);
        return Some(Info::own(signal, SI_TKILL));
    }
    let mut signals = SIGNALS.lock();
    let shared = signals.pending & set;
    if shared == 0 {
        return None;
    }
    let signal = Signal(shared.trailing_zeros() + 1);
    signals.pending &= !signal.bit();
    Some(signals.infos[signal.0 as usize])
}

/// Sends a signal to a thread (tgkill(2)).
pub fn send_to_thread(thread: &Thread, signal: Signal) -> Result<u64, Errno> {
    let action = SIGNALS.lock().actions[signal.0 as usize];
    let blocked = thread.blocked_signals.load(Ordering::Relaxed) & signal.bit() != 0;
    if action.is_handler() || blocked {
        thread
            .pending_signals
            .fetch_or(signal.bit(), Ordering::Relaxed);
        scheduler::interrupt();
        scheduler::kick(thread);
        return Ok(0);
    }
    send_by_host(signal)
}

/// The host does what the default action is.
fn send_by_host(signal: Signal) -> Result<u64, Errno> {
    let process = u64::from(boot::info().process.pid);
    let args = [process, u64::from(signal.0), 0, 0, 0, 0];
    channel::result(Owned::take().call_here(KILL, &args))
}

/// Called before the kernel goes back to the program: starts the handlers of what has come.
/// `restart`: the call that was interrupted, if it was, may be made anew.
pub fn deliver(frame: &mut Frame, restart: Restart) {
    let thread = current();
    let mut restart = restart;
    while let Some(info) = take(!thread.blocked_signals.load(Ordering::Relaxed)) {
        let action = SIGNALS.lock().actions[info.signal.0 as usize];
        match action.handler {
            _ if action.ignores(info.signal) => continue,
            DEFAULT => {
                let _ = send_by_host(info.signal);
                continue;
            }
            _ => {}
        }
        match restart {
            Restart::IfWanted if action.flags & frame::SA_RESTART != 0 => go_back(frame),
            _ => {}
        }
        restart = Restart::No;
        start_handler(frame, &info, &action);
    }
    if restart != Restart::No {
        // A kick, or a signal that does nothing: Linux's callers do not see these.
        go_back(frame);
    }
}

/// Whether an interrupted call is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// No call was interrupted.
    No,
    /// It is, unless a handler runs.
    Always,
    /// It is, unless a handler without SA_RESTART runs.
    IfWanted,
}

/// Has the program make its system call again.
fn go_back(frame: &mut Frame) {
    frame.rip = text::restart(frame.rip);
    frame.rax = frame.original;
}

fn start_handler(frame: &mut Frame, info: &Info, action: &Action) {
    let blocked = current().blocked_signals.load(Ordering::Relaxed);
    // sigsuspend(2): the mask of before comes back with the handler's return.
    let old = match current().restores.swap(false, Ordering::Relaxed) {
        true => current().restored_signals.load(Ordering::Relaxed),
        false => blocked,
    };
    if frame::push(frame, info, action, old).is_err() {
        exit_with_signal(Signal::SEGV.0);
    }
    let mut now = blocked | action.mask;
    if action.flags & frame::SA_NODEFER == 0 {
        now |= info.signal.bit();
    }
    set_blocked(now);
    if action.flags & frame::SA_RESETHAND != 0 {
        let _ = set_action(info.signal.0, Some(Action::default()));
    }
}

/// A fault of the program: its handler runs, or it dies.
pub fn raise_fault(frame: &mut Frame, cause: &Cause) {
    let action = SIGNALS.lock().actions[cause.signal.0 as usize];
    let blocked = current().blocked_signals.load(Ordering::Relaxed);
    if !action.is_handler() || blocked & cause.signal.bit() != 0 {
        exit_with_signal(cause.signal.0);
    }
    start_handler(frame, &Info::of_fault(cause), &action);
}

/// The machine has no memory left for a page that must be there: as Linux's OOM killer.
pub fn out_of_memory() {
    exit_with_signal(Signal::KILL.0)
}
