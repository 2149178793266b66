//! Signals (signal(7)). The host sends them to the monitor, which passes on those that the program
//! handles; the host itself ignores or kills for the others. What the kernel finds itself (faults)
//! and what threads send each other it raises here. Handlers run by [`frame`].

pub mod frame;
pub mod info;
pub mod timers;

use core::sync::atomic::{AtomicBool, Ordering};

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use pinion_abi::boot::{Inherited, PendingSignal};
use pinion_abi::calls::machine;
use pinion_abi::channel::{INFO_WORDS, TIMER};
use pinion_abi::Errno;
use spin::Mutex;

use crate::arch::Frame;
use crate::boot;
use crate::channel::{self, Owned};
use crate::mm::user::Plain;
use crate::syscalls::process::exit_with_signal;
use crate::syscalls::threads::shared;
use crate::text;
use crate::threads::{current, scheduler, Thread};
use crate::vcpus;
use info::{Info, Pending};

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
    pub const SYS: Signal = Signal(31);

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
    /// What the host was last told to hold back: what every thread blocks.
    held: u64,
    /// [`channel::calls`] when that last became more.
    held_since: u32,
    /// What the program has made signalfds for.
    watched: u64,
}

static SIGNALS: Mutex<Signals> = Mutex::new(Signals {
    actions: [Action {
        handler: 0,
        flags: 0,
        restorer: 0,
        mask: 0,
    }; LAST as usize + 1],
    held: 0,
    held_since: 0,
    watched: 0,
});

/// Signals of the process that no thread has taken yet.
static PENDING: Pending = Pending::new();

/// Whether signals have come of which other threads than the running one may have to be told.
static NEWS: AtomicBool = AtomicBool::new(false);

/// Tells those threads, if there is something to tell.
#[inline]
pub fn spread() {
    if NEWS.load(Ordering::Relaxed) {
        NEWS.store(false, Ordering::Relaxed);
        scheduler::interrupt();
    }
}

/// The running thread takes no more signals: others may have to.
pub fn leave_to_others() {
    NEWS.store(true, Ordering::Relaxed);
}

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
            tell_dispositions();
            let args = [u64::from(number), disposition, 0, 0, 0];
            channel::machine_call(machine::DISPOSITION, args);
            if current().blocked_signals.load(Ordering::Relaxed) & signal.bit() != 0 {
                hold();
            }
        }
    }
    Ok(old)
}

/// Writes what the monitor tells of them in /proc/PID/status.
fn tell_dispositions() {
    let signals = SIGNALS.lock();
    let (mut ignored, mut caught) = (0, 0);
    for signal in (1..=LAST).map(Signal) {
        match signals.actions[signal.0 as usize].handler {
            DEFAULT => {}
            IGNORE => ignored |= signal.bit(),
            _ => caught |= signal.bit(),
        }
    }
    let portrait = boot::portrait();
    portrait.ignored.store(ignored, Ordering::Relaxed);
    portrait.caught.store(caught, Ordering::Relaxed);
}

/// A signal that is ignored from now on is no longer pending either (sigaction(2), POSIX).
fn forget(signal: Signal) {
    collect();
    for info in PENDING.drop_all(signal.bit()) {
        timers::dropped(&info);
    }
    scheduler::fold((), |(), thread| {
        for info in thread.pending_signals.drop_all(signal.bit()) {
            timers::dropped(&info);
        }
    });
}

/// The running thread blocks these from now on.
pub fn set_blocked(set: u64) {
    set_mask(set);
    hold();
}

/// The same, where the host need not know at once of what is released after a short time.
pub fn set_blocked_lazily(set: u64) {
    set_mask(set);
    let (held, soon) = to_hold();
    tell_held(held, soon);
}

fn set_mask(set: u64) {
    current()
        .blocked_signals
        .store(set & !UNBLOCKABLE, Ordering::Relaxed);
    let told = &current().told.blocked;
    told.store(set & !UNBLOCKABLE, Ordering::Relaxed);
}

/// Has the host hold back what all threads block and nobody here wants to know of: what has no
/// handler, or what a signalfd shall tell of.
fn hold() {
    tell_held(to_hold().0, false);
}

/// `soon`: what is released may come a tick later, as if it had been sent then.
fn tell_held(held: u64, soon: bool) {
    // A child of vfork(2) has its signals when it executes a program.
    if shared::active() {
        return;
    }
    channel::set_held(held);
    if !(channel::is_settled() || soon && channel::will_settle()) {
        ask_to_hold();
    }
}

/// The host holds back just what it shall from now on.
#[inline]
pub fn settle() {
    if !channel::is_settled() && !shared::active() {
        ask_to_hold();
    }
}

#[cold]
fn ask_to_hold() {
    Owned::take_here().call_here(machine::BLOCK, &[0; 6]);
}

/// What the host shall hold back; and whether what it shall release has been held for so short that the program
/// knows of nothing that happened meanwhile outside of it, as around the making of a thread.
fn to_hold() -> (u64, bool) {
    let blocked = scheduler::all_hold(|thread| {
        let awaited = thread.awaited_signals.load(Ordering::Relaxed);
        thread.blocked_signals.load(Ordering::Relaxed) & !awaited
    });
    let mut signals = SIGNALS.lock();
    let numbers = (1..=LAST).map(Signal);
    let handled = numbers.filter(|signal| signals.actions[signal.0 as usize].is_handler());
    let handled = handled.fold(0, |set, signal| set | signal.bit());
    let held = blocked & (!handled | signals.watched);
    let before = core::mem::replace(&mut signals.held, held);
    if held & !before != 0 {
        signals.held_since = channel::calls();
    }
    (held, signals.held_since == channel::calls())
}

/// A signalfd tells of these from now on (signalfd(2)). It is the host's, so what it shall tell of has
/// to wait there while all threads block it.
pub fn watch(set: u64) {
    collect();
    SIGNALS.lock().watched |= set & !UNBLOCKABLE;
    hold();
    let held = SIGNALS.lock().held;
    let mut waiting = PENDING.drop_all(set & held);
    waiting.extend(current().pending_signals.drop_all(set & held));
    for info in waiting {
        timers::dropped(&info);
        let _ = queue_at_host(&info);
    }
}

/// Whether a blocked signal waits in the host, for a signalfd.
fn is_watched(signal: Signal) -> bool {
    let signals = SIGNALS.lock();
    signals.watched & signals.held & signal.bit() != 0
}

fn queue_at_host(info: &Info) -> Result<u64, Errno> {
    let slot = Owned::take_here();
    let offset = pinion_abi::channel::DATA as u64;
    // SAFETY: the slot is ours, and its data have room for the words.
    unsafe { ((slot.address() + offset) as *mut [u32; INFO_WORDS]).write(info.words) };
    let args = [u64::from(info.signal().0), offset, 0, 0, 0, 0];
    channel::result(slot.call_here(machine::SIGNAL, &args))
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

/// What is a process's own of this.
pub struct Kept {
    actions: [Action; LAST as usize + 1],
    held: u64,
    watched: u64,
    pending: VecDeque<Info>,
}

/// Keeps the parent's over the time of a vfork(2), whose child has no signals waiting.
pub fn keep() -> Kept {
    collect();
    let signals = SIGNALS.lock();
    Kept {
        actions: signals.actions,
        held: signals.held,
        watched: signals.watched,
        pending: PENDING.drop_all(!0),
    }
}

pub fn restore(kept: Kept) {
    PENDING.drop_all(!0);
    for info in kept.pending {
        // There was room for it before.
        let _ = PENDING.post(info);
    }
    let mut signals = SIGNALS.lock();
    signals.actions = kept.actions;
    signals.held = kept.held;
    signals.watched = kept.watched;
    drop(signals);
    tell_dispositions();
}

/// Takes over what the monitor noted: mostly nothing, at each system call's end.
#[inline]
pub fn collect() {
    // What comes while a child of vfork(2) runs is its parent's.
    if channel::has_notes() && !shared::active() {
        take_over();
    }
}

#[cold]
fn take_over() {
    NEWS.store(true, Ordering::Relaxed);
    while let Some(words) = channel::take_note() {
        let info = Info { words, timer: None };
        let signal = info.signal();
        if signal.0 == TIMER as u32 && info.code() == info::SI_TIMER {
            // `si_tid` and `si_overrun`.
            timers::expired(words[4], words[5]);
        } else if info::is_signal(signal.0) {
            // Beyond the limit it is lost: the sender is not there to be told.
            let _ = PENDING.post(info);
        }
    }
    let overflow = channel::take_overflow();
    for number in (1..=LAST).filter(|number| overflow & Signal(*number).bit() != 0) {
        let _ = PENDING.post(Info::new(Signal(number), info::SI_USER));
    }
    if vcpus::index() == 0 && channel::take_closed() {
        ask_to_hold();
    }
}

/// What a program keeps of the one before it in this process. The monitor has done so on the host.
pub fn inherit(inherited: &Inherited) {
    current()
        .blocked_signals
        .store(inherited.blocked & !UNBLOCKABLE, Ordering::Relaxed);
    let mut signals = SIGNALS.lock();
    signals.held = inherited.blocked & !UNBLOCKABLE;
    for number in (1..=LAST).filter(|number| inherited.ignored & Signal(*number).bit() != 0) {
        signals.actions[number as usize].handler = IGNORE;
    }
    drop(signals);
    tell_dispositions();
}

/// The set that the process ignores.
pub fn ignored() -> u64 {
    let signals = SIGNALS.lock();
    let numbers = (1..=LAST).map(Signal);
    let ignored = numbers.filter(|signal| signals.actions[signal.0 as usize].handler == IGNORE);
    ignored.fold(0, |set, signal| set | signal.bit())
}

/// Copies of all that waits here for the running thread or the process; but for those of timers, which
/// end with the program.
pub fn waiting() -> Vec<PendingSignal> {
    collect();
    let mut all = PENDING.copies();
    all.extend(current().pending_signals.copies());
    all
}

/// A child of fork(2) has none of its parent's, and no timers.
pub fn forget_pending() {
    timers::forget();
    PENDING.drop_all(!0);
    current().pending_signals.drop_all(!0);
}

/// Everything that waits for the thread or the process.
pub fn pending(thread: &Thread) -> u64 {
    collect();
    PENDING.set() | thread.pending_signals.set()
}

/// Whether a signal would interrupt the thread.
pub fn interrupts(thread: &Thread) -> bool {
    collect();
    wants(thread, PENDING.set() | thread.pending_signals.set())
}

/// The same of the signals that were sent to it alone.
pub fn is_for(thread: &Thread) -> bool {
    wants(thread, thread.pending_signals.set())
}

/// The same of those of the process.
pub fn may_take(thread: &Thread) -> bool {
    wants(thread, PENDING.set())
}

fn wants(thread: &Thread, set: u64) -> bool {
    let blocked = thread.blocked_signals.load(Ordering::Relaxed);
    let awaited = thread.awaited_signals.load(Ordering::Relaxed);
    set & (!blocked | awaited) != 0
}

/// Takes the first signal of the set that waits for the running thread.
pub fn take(set: u64) -> Option<Info> {
    collect();
    let own = current().pending_signals.take(set);
    let mut info = own.or_else(|| PENDING.take(set))?;
    timers::taken(&mut info);
    Some(info)
}

/// Has a signal wait for a thread, or for all of them, or in the host for a signalfd.
fn post(info: Info, thread: Option<&Thread>) -> Result<(), Errno> {
    if is_watched(info.signal()) {
        queue_at_host(&info)?;
        timers::dropped(&info);
        return Ok(());
    }
    match thread {
        Some(thread) => thread.pending_signals.post(info),
        None => PENDING.post(info),
    }
}

/// A call of the running thread has caused these, which it blocks.
pub fn caused(set: u64) {
    for signal in (1..=LAST)
        .map(Signal)
        .filter(|signal| set & signal.bit() != 0)
    {
        // One of a number always finds room.
        let _ = current()
            .pending_signals
            .post(Info::own(signal, info::SI_USER));
    }
}

/// Sends a signal of the process's own, to a thread or to all of them.
pub fn send(info: Info, thread: Option<&Thread>) -> Result<u64, Errno> {
    let signal = info.signal();
    let action = SIGNALS.lock().actions[signal.0 as usize];
    let holds_back = |thread: &Thread| {
        let blocked = thread.blocked_signals.load(Ordering::Relaxed);
        (blocked | thread.awaited_signals.load(Ordering::Relaxed)) & signal.bit() != 0
    };
    let blocked = match thread {
        Some(thread) => holds_back(thread),
        None => scheduler::fold(true, |all, thread| all && holds_back(thread)),
    };
    if action.is_handler() || blocked {
        post(info, thread)?;
        scheduler::interrupt();
        return Ok(0);
    }
    if action.ignores(signal) {
        return Ok(0);
    }
    send_by_host(signal)
}

/// The host does what the default action is.
fn send_by_host(signal: Signal) -> Result<u64, Errno> {
    let process = u64::from(boot::info().process.pid);
    let args = [process, u64::from(signal.0), 0, 0, 0, 0];
    channel::result(Owned::take_here().call_here(KILL, &args))
}

/// Called before the kernel goes back to the program: starts the handlers of what has come.
/// `restart`: the call that was interrupted, if it was, may be made anew.
pub fn deliver(frame: &mut Frame, restart: Restart) {
    let thread = current();
    let mut restart = restart;
    while let Some(info) = take(!thread.blocked_signals.load(Ordering::Relaxed)) {
        let signal = info.signal();
        let action = SIGNALS.lock().actions[signal.0 as usize];
        match action.handler {
            _ if action.ignores(signal) => continue,
            DEFAULT => {
                let _ = send_by_host(signal);
                continue;
            }
            _ => {}
        }
        match restart {
            Restart::IfWanted if action.flags & frame::SA_RESTART != 0 => go_back(frame),
            Restart::Anyway => go_back(frame),
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
    /// It is, after any handler.
    Anyway,
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
        now |= info.signal().bit();
    }
    set_blocked(now);
    if action.flags & frame::SA_RESETHAND != 0 {
        let _ = set_action(info.signal().0, Some(Action::default()));
    }
}

/// A fault of the program: its handler runs, or it dies.
pub fn raise_fault(frame: &mut Frame, cause: &Cause) {
    force(frame, &Info::of_fault(cause));
}

/// What the program does itself, and cannot go on after: the handler runs now, or the program dies.
pub fn force(frame: &mut Frame, info: &Info) {
    let signal = info.signal();
    let action = SIGNALS.lock().actions[signal.0 as usize];
    let blocked = current().blocked_signals.load(Ordering::Relaxed);
    if !action.is_handler() || blocked & signal.bit() != 0 {
        exit_with_signal(signal.0);
    }
    start_handler(frame, info, &action);
}

/// The machine has no memory left for a page that must be there: as Linux's OOM killer.
pub fn out_of_memory() {
    exit_with_signal(Signal::KILL.0)
}
