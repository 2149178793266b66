//! Signal dispositions, masks and waiting (signal(7)).

use core::sync::atomic::Ordering;

use pinion_abi::calls::machine;
use pinion_abi::channel::INFO_WORDS;
use pinion_abi::Errno;

use super::{host, time};
use crate::arch::Frame;
use crate::boot;
use crate::channel;
use crate::mm::user;
use crate::signals::info::{is_signal, Info, SI_TKILL};
use crate::signals::timers::{self, Event};
use crate::signals::{self, Action, Signal};
use crate::threads::scheduler::Woken;
use crate::threads::{current, scheduler};

/// The only size of a signal set that Linux takes.
const SET_BYTES: u64 = 8;

pub fn rt_sigaction(frame: &mut Frame) -> Result<u64, Errno> {
    let [number, new, old, bytes, ..] = frame.args();
    if bytes != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let action = if new == 0 {
        None
    } else {
        Some(user::read::<Action>(new)?)
    };
    let before = signals::set_action(number as u32, action)?;
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

pub fn rt_sigprocmask(frame: &mut Frame) -> Result<u64, Errno> {
    let [how, new, old, bytes, ..] = frame.args();
    if bytes != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let set = if new == 0 {
        None
    } else {
        Some(user::read::<u64>(new)?)
    };
    let before = current().blocked_signals.load(Ordering::Relaxed);
    if let Some(set) = set {
        let after = match how {
            0 => before | set,
            1 => before & !set,
            2 => set,
            _ => return Err(Errno::EINVAL),
        };
        signals::set_blocked_lazily(after);
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// rt_sigreturn(2): goes on where a signal interrupted the program.
pub fn rt_sigreturn(frame: &mut Frame) -> Result<u64, Errno> {
    match signals::frame::pop(frame) {
        Ok(mask) => signals::set_blocked_lazily(mask),
        Err(_) => super::process::exit_with_signal(Signal::SEGV.0),
    }
    Ok(frame.rax)
}

pub fn sigaltstack(frame: &mut Frame) -> Result<u64, Errno> {
    const DISABLE: u64 = 2;
    const SMALLEST: u64 = 2048;
    let [new, old, ..] = frame.args();
    let stack = if new == 0 {
        None
    } else {
        Some(user::read::<[u64; 3]>(new)?)
    };
    let before = *current().alternate_stack.lock();
    if let Some([base, flags, bytes]) = stack {
        let flags = flags & 0xffff_ffff;
        if flags & !(DISABLE | 1 << 31) != 0 {
            return Err(Errno::EINVAL);
        }
        if flags & DISABLE == 0 && bytes < SMALLEST {
            return Err(Errno::ENOMEM);
        }
        *current().alternate_stack.lock() = if flags & DISABLE != 0 {
            [0, DISABLE, 0]
        } else {
            [base, flags, bytes]
        };
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// rt_sigpending(2): what the kernel holds back, and the host.
pub fn rt_sigpending(frame: &mut Frame) -> Result<u64, Errno> {
    let thread = current();
    let blocked = thread.blocked_signals.load(Ordering::Relaxed);
    let host = channel::Owned::take_here().call_here(machine::PENDING, &[0; 6]) as u64;
    let pending = host | signals::pending(thread) & blocked;
    user::write(frame.rdi, &pending)?;
    Ok(0)
}

/// Waits in the host with another mask: the set of `bytes` at `mask`, if there is one. As in
/// sigsuspend(2), a handler's return brings the old one back.
fn wait_with_mask(frame: &mut Frame, mask: u64, bytes: u64) -> Result<u64, Errno> {
    if mask == 0 {
        return host::pass(frame);
    }
    if bytes != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let mask: u64 = user::read(mask)?;
    let thread = current();
    let before = thread.blocked_signals.load(Ordering::Relaxed);
    signals::set_blocked(mask);
    let result = if signals::interrupts(thread) {
        Err(Errno::EINTR)
    } else {
        host::pass(frame)
    };
    if result == Err(Errno::EINTR) && signals::interrupts(thread) {
        thread.restored_signals.store(before, Ordering::Relaxed);
        thread.restores.store(true, Ordering::Relaxed);
    } else {
        signals::set_blocked(before);
    }
    result
}

pub fn ppoll(frame: &mut Frame) -> Result<u64, Errno> {
    wait_with_mask(frame, frame.r10, frame.r8)
}

/// pselect6(2): its last argument points at the mask's address and its size.
pub fn pselect6(frame: &mut Frame) -> Result<u64, Errno> {
    let [mask, bytes] = match frame.r9 {
        0 => [0, 0],
        address => user::read(address)?,
    };
    wait_with_mask(frame, mask, bytes)
}

pub fn epoll_pwait(frame: &mut Frame) -> Result<u64, Errno> {
    wait_with_mask(frame, frame.r8, frame.r9)
}

pub fn epoll_pwait2(frame: &mut Frame) -> Result<u64, Errno> {
    wait_with_mask(frame, frame.r8, frame.r9)
}

/// Waits until a signal interrupts the thread.
fn wait() {
    loop {
        scheduler::prepare();
        if scheduler::block(None) == Woken::Interrupted {
            return;
        }
    }
}

/// pause(2).
pub fn pause(_: &mut Frame) -> Result<u64, Errno> {
    wait();
    Err(Errno::EINTR)
}

/// rt_sigsuspend(2): the mask of before comes back when the handler returns.
pub fn rt_sigsuspend(frame: &mut Frame) -> Result<u64, Errno> {
    if frame.rsi != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let mask: u64 = user::read(frame.rdi)?;
    let thread = current();
    let before = thread.blocked_signals.load(Ordering::Relaxed);
    signals::set_blocked(mask);
    wait();
    thread.restored_signals.store(before, Ordering::Relaxed);
    thread.restores.store(true, Ordering::Relaxed);
    Err(Errno::EINTR)
}

/// rt_sigtimedwait(2).
pub fn rt_sigtimedwait(frame: &mut Frame) -> Result<u64, Errno> {
    let [set, info, timeout, bytes, ..] = frame.args();
    if bytes != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let set: u64 = user::read(set)?;
    let deadline = match timeout {
        0 => None,
        address => Some(time::deadline(1, false, user::read(address)?)?),
    };
    let thread = current();
    loop {
        if let Some(taken) = signals::take(set) {
            if info != 0 {
                user::write_slice(info, &signals::frame::siginfo(&taken))?;
            }
            return Ok(u64::from(taken.signal().0));
        }
        signals::set_awaited(set);
        scheduler::prepare();
        let woken = scheduler::block(deadline);
        signals::set_awaited(0);
        let waiting = signals::pending(thread) & set != 0;
        match woken {
            Woken::TimedOut if !waiting => return Err(Errno::EAGAIN),
            Woken::Interrupted if !waiting => return Err(Errno::EINTR),
            _ => {}
        }
    }
}

/// tkill(2).
pub fn tkill(frame: &mut Frame) -> Result<u64, Errno> {
    send(frame.rdi, frame.rsi)
}

/// tgkill(2).
pub fn tgkill(frame: &mut Frame) -> Result<u64, Errno> {
    if frame.rdi as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    if frame.rdi as u32 != boot::info().process.pid {
        return Err(Errno::ESRCH);
    }
    send(frame.rsi, frame.rdx)
}

fn send(thread: u64, signal: u64) -> Result<u64, Errno> {
    let signal = u32::try_from(signal).map_err(|_| Errno::EINVAL)?;
    if thread as i32 <= 0 || signal > signals::LAST {
        return Err(Errno::EINVAL);
    }
    let thread = scheduler::find(thread as u32).ok_or(Errno::ESRCH)?;
    if signal == 0 {
        return Ok(0);
    }
    signals::send(Info::own(Signal(signal), SI_TKILL), Some(&thread))
}

/// A siginfo_t that the program gives: its first words, with the number of the signal.
fn info(address: u64, signal: u32) -> Result<Info, Errno> {
    let mut words: [u32; INFO_WORDS] = user::read(address)?;
    words[0] = signal;
    Ok(Info { words, timer: None })
}

/// rt_sigqueueinfo(2): to the process itself; to others the host sends it.
pub fn rt_sigqueueinfo(frame: &mut Frame) -> Result<u64, Errno> {
    let [pid, signal, address, ..] = frame.args();
    if pid as u32 != boot::info().process.pid || !is_signal(signal as u32) {
        return host::pass(frame);
    }
    signals::send(info(address, signal as u32)?, None)
}

/// rt_tgsigqueueinfo(2): to a thread of the process; to others the host sends it.
pub fn rt_tgsigqueueinfo(frame: &mut Frame) -> Result<u64, Errno> {
    let [pid, thread, signal, address, ..] = frame.args();
    if pid as u32 != boot::info().process.pid || !is_signal(signal as u32) {
        return host::pass(frame);
    }
    let thread = scheduler::find(thread as u32).ok_or(Errno::ESRCH)?;
    signals::send(info(address, signal as u32)?, Some(&thread))
}

pub fn signalfd(frame: &mut Frame) -> Result<u64, Errno> {
    watch(frame)
}

pub fn signalfd4(frame: &mut Frame) -> Result<u64, Errno> {
    watch(frame)
}

/// signalfd(2): the host's, which is told what to hold back for it.
fn watch(frame: &mut Frame) -> Result<u64, Errno> {
    let [_, set, bytes, ..] = frame.args();
    if bytes != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let set: u64 = user::read(set)?;
    let fd = host::pass(frame)?;
    signals::watch(set);
    Ok(fd)
}

/// What a timer does when it expires: struct sigevent (sigevent(3)), or SIGALRM for none.
fn event(address: u64) -> Result<Event, Errno> {
    const SIGALRM: Signal = Signal(14);
    const SIGEV_SIGNAL: u32 = 0;
    const SIGEV_NONE: u32 = 1;
    const SIGEV_THREAD: u32 = 2;
    const SIGEV_THREAD_ID: u32 = 4;
    if address == 0 {
        return Ok(Event {
            signal: Some(SIGALRM),
            value: None,
            thread: None,
        });
    }
    let [value_low, value_high, signal, notify, thread]: [u32; 5] = user::read(address)?;
    let value = Some(u64::from(value_high) << 32 | u64::from(value_low));
    let thread = match notify {
        SIGEV_NONE => {
            return Ok(Event {
                signal: None,
                value,
                thread: None,
            })
        }
        SIGEV_SIGNAL | SIGEV_THREAD => None,
        SIGEV_THREAD_ID => Some(scheduler::find(thread).ok_or(Errno::EINVAL)?),
        _ => return Err(Errno::EINVAL),
    };
    if !is_signal(signal) {
        return Err(Errno::EINVAL);
    }
    let signal = Some(Signal(signal));
    Ok(Event {
        signal,
        value,
        thread,
    })
}

pub fn timer_create(frame: &mut Frame) -> Result<u64, Errno> {
    let [clock, address, id, ..] = frame.args();
    let event = event(address)?;
    let made = timers::create(clock, event)?;
    if let Err(error) = user::write(id, &made) {
        timers::delete(made)?;
        return Err(error);
    }
    Ok(0)
}

pub fn timer_getoverrun(frame: &mut Frame) -> Result<u64, Errno> {
    timers::overrun(frame.rdi as u32)
}

pub fn timer_delete(frame: &mut Frame) -> Result<u64, Errno> {
    timers::delete(frame.rdi as u32)?;
    Ok(0)
}
