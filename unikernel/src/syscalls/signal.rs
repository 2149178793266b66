//! Signal dispositions, masks and waiting (signal(7)).

use core::sync::atomic::Ordering;

use pinion_abi::calls::machine;
use pinion_abi::Errno;

use super::time;
use crate::arch::Frame;
use crate::boot;
use crate::channel;
use crate::mm::user;
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
        signals::set_blocked(after);
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// rt_sigreturn(2): goes on where a signal interrupted the program.
pub fn rt_sigreturn(frame: &mut Frame) -> Result<u64, Errno> {
    match signals::frame::pop(frame) {
        Ok(mask) => signals::set_blocked(mask),
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
    let host = channel::Owned::take().call_here(machine::PENDING, &[0; 6]) as u64;
    let pending = host | signals::pending(thread) & blocked;
    user::write(frame.rdi, &pending)?;
    Ok(0)
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
            return Ok(u64::from(taken.signal.0));
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
    signals::send_to_thread(&thread, Signal(signal))
}
