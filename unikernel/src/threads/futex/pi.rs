//! Locks whose word names the owner (FUTEX_LOCK_PI and its kin, futex(2)). All threads have the same
//! priority here, so there is none to inherit; what is left is the word's protocol and its order.
//!
//! A private lock is handed to the first waiter. Who waits for a shared one is known to the host alone:
//! it is left free for one waiter to take, with FUTEX_WAITERS, as others may wait still.

use alloc::sync::Arc;

use pinion_abi::Errno;

use super::owner::{ID, OWNER_DIED, WAITERS};
use super::word::Word;
use super::{Queues, ANY, FOR_LOCKS};
use crate::mm::user;
use crate::threads::{current, scheduler, Thread};

/// FUTEX_LOCK_PI, FUTEX_LOCK_PI2.
pub fn lock(word: Word, deadline: Option<u64>) -> Result<u64, Errno> {
    let mut waited = false;
    loop {
        let id = current().id();
        let old = claim(word, waited)?;
        match old & ID {
            0 => return Ok(0),
            holder if holder == id && waited => return Ok(0),
            holder if holder == id => return Err(Errno::EDEADLK),
            // Of a shared one it may be a thread of another process.
            holder if word.shared.is_none() && scheduler::find(holder).is_none() => {
                return Err(Errno::ESRCH)
            }
            _ => {}
        }
        match word.wait_for_lock(old | WAITERS, deadline) {
            Ok(_) | Err(Errno::EAGAIN) => waited = true,
            // It may have been handed over at the same moment.
            Err(_) if user::read::<u32>(word.address)? & ID == id => return Ok(0),
            Err(Errno::EINTR) => return Err(Errno::ERESTARTNOINTR),
            Err(error) => return Err(error),
        }
    }
}

/// FUTEX_TRYLOCK_PI.
pub fn try_lock(word: Word) -> Result<u64, Errno> {
    let id = current().id();
    let old = user::update(word.address, |old| match old & ID {
        0 => id | old & (OWNER_DIED | WAITERS),
        _ => old,
    })?;
    match old & ID {
        0 => Ok(0),
        holder if holder == id => Err(Errno::EDEADLK),
        _ => Err(Errno::EAGAIN),
    }
}

/// Takes the lock if it is free; notes that somebody waits if it is not. Returns what it was.
fn claim(word: Word, waited: bool) -> Result<u32, Errno> {
    let id = current().id();
    let others = match word.shared {
        Some(_) if waited => WAITERS,
        _ => 0,
    };
    user::update(word.address, |old| match old & ID {
        0 => id | old & (OWNER_DIED | WAITERS) | others,
        holder if holder == id => old,
        _ => old | WAITERS,
    })
}

/// FUTEX_UNLOCK_PI.
pub fn unlock(word: Word) -> Result<u64, Errno> {
    let value: u32 = user::read(word.address)?;
    if value & ID != current().id() {
        return Err(Errno::EPERM);
    }
    if word.shared.is_some() {
        user::update(word.address, |_| 0)?;
        word.wake_for_lock()?;
        return Ok(0);
    }
    while let Some(next) = take(&FOR_LOCKS, word) {
        user::update(word.address, |_| next.id() | WAITERS)?;
        if scheduler::wake(&next) {
            return Ok(0);
        }
        // Its time was up: it finds the lock in its hands, unless it is taken from it again.
    }
    user::update(word.address, |_| 0)?;
    Ok(0)
}

/// FUTEX_WAIT_REQUEUE_PI: waits at `word` until it is moved to the lock `target` and gets that.
pub fn wait_requeue(
    word: Word,
    value: u32,
    deadline: Option<u64>,
    target: Word,
) -> Result<u64, Errno> {
    let waited = word.wait(value, ANY, deadline);
    if word.shared.is_some() || target.shared.is_some() {
        return match waited {
            Ok(_) => lock(target, deadline),
            Err(Errno::EINTR) => Err(Errno::ERESTARTNOINTR),
            error => error,
        };
    }
    if user::read::<u32>(target.address)? & ID == current().id() {
        return Ok(0);
    }
    match waited {
        Ok(_) => Err(Errno::EAGAIN),
        Err(Errno::EINTR) => Err(Errno::ERESTARTNOINTR),
        error => error,
    }
}

/// FUTEX_CMP_REQUEUE_PI: gives the lock `target` to the first waiter, if it is free, and has up to
/// `count` others wait for it. Returns how many.
pub fn requeue(word: Word, target: Word, count: u32, expected: u32) -> Result<u64, Errno> {
    if user::read::<u32>(word.address)? != expected {
        return Err(Errno::EAGAIN);
    }
    if word.shared.is_some() || target.shared.is_some() {
        // Nobody here can move them: they are woken, and each asks for the lock.
        return word.wake(count.saturating_add(1), ANY);
    }
    let mut given = 0;
    if user::read::<u32>(target.address)? & ID == 0 {
        while let Some(first) = take(&super::WAITERS, word) {
            user::update(target.address, |old| {
                first.id() | old & OWNER_DIED | WAITERS
            })?;
            if scheduler::wake(&first) {
                given = 1;
                break;
            }
        }
    } else {
        user::update(target.address, |old| old | WAITERS)?;
    }
    let mut moved = 0;
    while moved < count {
        let Some(next) = take(&super::WAITERS, word) else {
            break;
        };
        FOR_LOCKS.lock().add(target.address, next, ANY);
        moved += 1;
    }
    Ok(given + u64::from(moved))
}

/// The first that waits at a private word.
fn take(queues: &Queues, word: Word) -> Option<Arc<Thread>> {
    queues.lock().take(word.address, ANY)
}
