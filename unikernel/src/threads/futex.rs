//! Futexes (futex(2)) between the threads of the process.

use alloc::sync::Arc;

use pinion_abi::layout::USER_END;
use pinion_abi::Errno;
use spin::Mutex;

use super::scheduler::Woken;
use super::waiters::Waiters;
use super::{current, scheduler, Thread};
use crate::mm::user;

static WAITERS: Mutex<Waiters<Arc<Thread>>> = Mutex::new(Waiters::new());

/// Every bit: what FUTEX_WAIT and FUTEX_WAKE match.
pub const ANY: u32 = u32::MAX;

fn check(word: u64) -> Result<(), Errno> {
    if word % 4 != 0 {
        return Err(Errno::EINVAL);
    }
    if word >= USER_END {
        return Err(Errno::EFAULT);
    }
    Ok(())
}

/// FUTEX_WAIT_BITSET: waits at `word` while it is `value`, until a wake with one of the bits.
pub fn wait(word: u64, value: u32, bits: u32, deadline: Option<u64>) -> Result<u64, Errno> {
    check(word)?;
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    // Who changes the word and then wakes needs the kernel's lock for that: nothing can come between
    // this look and the wait.
    if user::read::<u32>(word)? != value {
        return Err(Errno::EAGAIN);
    }
    let thread = scheduler::find(current().id()).ok_or(Errno::ESRCH)?;
    scheduler::prepare();
    WAITERS.lock().add(word, thread, bits);
    let error = match scheduler::block(deadline) {
        Woken::Awake => return Ok(0),
        Woken::TimedOut => Errno::ETIMEDOUT,
        Woken::Interrupted => Errno::EINTR,
    };
    let id = current().id();
    WAITERS.lock().remove(|waiter| waiter.id() == id);
    Err(error)
}

/// Nobody waits any more: the process is new, and its only thread runs.
pub fn forget_waiters() {
    let waiters = core::mem::replace(&mut *WAITERS.lock(), Waiters::new());
    drop(waiters);
}

/// FUTEX_WAKE_BITSET: wakes up to `count` waiters with one of the bits; returns how many.
pub fn wake(word: u64, count: u32, bits: u32) -> Result<u64, Errno> {
    check(word)?;
    if bits == 0 {
        return Err(Errno::EINVAL);
    }
    let mut woken = 0;
    while woken < u64::from(count) {
        let next = WAITERS.lock().take(word, bits);
        match next {
            Some(thread) => woken += u64::from(scheduler::wake(&thread)),
            None => break,
        }
    }
    Ok(woken)
}

/// FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: wakes some waiters and has others wait at `target`.
/// Returns how many were woken or moved (woken only, for FUTEX_REQUEUE as Linux counts).
pub fn requeue(
    word: u64,
    target: u64,
    wake_count: u32,
    move_count: u32,
    expected: Option<u32>,
) -> Result<u64, Errno> {
    check(word)?;
    check(target)?;
    if let Some(expected) = expected {
        if user::read::<u32>(word)? != expected {
            return Err(Errno::EAGAIN);
        }
    }
    let woken = wake(word, wake_count, ANY)?;
    let moved = WAITERS.lock().requeue(word, target, move_count);
    Ok(woken + moved)
}

/// FUTEX_WAKE_OP: changes the word at `second`, wakes at `word`, and at `second` if its old value
/// was as the operation says.
pub fn wake_op(
    word: u64,
    second: u64,
    count: u32,
    second_count: u32,
    operation: u32,
) -> Result<u64, Errno> {
    check(second)?;
    let argument = |value: u32| ((value << 20) as i32 >> 20) as u32;
    let mut operand = argument(operation >> 12 & 0xfff);
    let compared = argument(operation & 0xfff);
    if operation >> 31 & 1 != 0 {
        operand = 1u32.checked_shl(operand & 31).unwrap_or(0);
    }
    let kind = operation >> 28 & 7;
    if kind > 4 {
        return Err(Errno::ENOSYS);
    }
    let old = user::update(second, |old| match kind {
        0 => operand,
        1 => old.wrapping_add(operand),
        2 => old | operand,
        3 => old & !operand,
        _ => old ^ operand,
    })?;
    let (old_signed, compared_signed) = (old as i32, compared as i32);
    let also = match operation >> 24 & 15 {
        0 => old == compared,
        1 => old != compared,
        2 => old_signed < compared_signed,
        3 => old_signed <= compared_signed,
        4 => old_signed > compared_signed,
        5 => old_signed >= compared_signed,
        _ => return Err(Errno::ENOSYS),
    };
    let mut woken = wake(word, count, ANY)?;
    if also {
        woken += wake(second, second_count, ANY)?;
    }
    Ok(woken)
}
