//! Signal dispositions, masks and waiting (signal(7)).

use pinion_abi::calls::machine;
use pinion_abi::Errno;

use crate::arch::Frame;
use crate::boot;
use crate::channel;
use crate::mm::user;
use crate::signals::{self, Action, Signal, SIGNALS};
use crate::threads::scheduler;

/// The only size of a signal set that Linux takes.
const SET_BYTES: u64 = 8;
const KILL: u32 = 62;
const UNBLOCKABLE: u64 = 1 << (Signal::KILL.0 - 1) | 1 << (Signal::STOP.0 - 1);

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
    let before = SIGNALS.lock().blocked;
    if let Some(set) = set {
        let after = match how {
            0 => before | set,
            1 => before & !set,
            2 => set,
            _ => return Err(Errno::EINVAL),
        } & !UNBLOCKABLE;
        SIGNALS.lock().blocked = after;
        // The host holds back what the program blocks.
        channel::Owned::take().call_here(machine::BLOCK, &[after, 0, 0, 0, 0, 0]);
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}

/// No handler runs yet, so there is nothing to return from.
pub fn rt_sigreturn(_: &mut Frame) -> Result<u64, Errno> {
    super::process::exit_with_signal(Signal::SEGV.0)
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
    let before = SIGNALS.lock().stack;
    if let Some([base, flags, bytes]) = stack {
        let flags = flags & 0xffff_ffff;
        if flags & !(DISABLE | 1 << 31) != 0 {
            return Err(Errno::EINVAL);
        }
        if flags & DISABLE == 0 && bytes < SMALLEST {
            return Err(Errno::ENOMEM);
        }
        SIGNALS.lock().stack = if flags & DISABLE != 0 {
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

/// Pending signals are the host's to know.
pub fn rt_sigpending(frame: &mut Frame) -> Result<u64, Errno> {
    let pending = channel::machine_call(machine::PENDING, [0; 5]) as u64;
    user::write(frame.rdi, &pending)?;
    Ok(0)
}

/// pause(2): only a signal ends it.
pub fn pause(_: &mut Frame) -> Result<u64, Errno> {
    loop {
        scheduler::prepare();
        scheduler::block(None);
    }
}

/// tkill(2) and tgkill(2): signals of a thread are signals of the process as yet.
pub fn tkill(frame: &mut Frame) -> Result<u64, Errno> {
    send(frame.rdi, frame.rsi)
}

pub fn tgkill(frame: &mut Frame) -> Result<u64, Errno> {
    send(frame.rsi, frame.rdx)
}

fn send(thread: u64, signal: u64) -> Result<u64, Errno> {
    if thread as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    if scheduler::find(thread as u32).is_none() {
        return Err(Errno::ESRCH);
    }
    let process = u64::from(boot::info().process.pid);
    channel::host_call(KILL, [process, signal, 0, 0, 0, 0])
}
