//! Futexes (futex(2)): here those between the threads of the process.

pub mod owner;
pub mod pi;
mod shared;
pub mod word;

pub use shared::wait_for_one as wait_for_one_shared;

use alloc::sync::Arc;

use pinion_abi::Errno;
use spin::Mutex;

use super::scheduler::Woken;
use super::waiters::Waiters;
use super::{current, scheduler, Thread};
use crate::mm::user;

type Queues = Mutex<Waiters<Arc<Thread>>>;

static WAITERS: Queues = Mutex::new(Waiters::new());
/// Those that wait for a lock whose word names the owner.
static FOR_LOCKS: Queues = Mutex::new(Waiters::new());

/// Every bit: what FUTEX_WAIT and FUTEX_WAKE match.
pub const ANY: u32 = u32::MAX;

/// Waits at `word` in `queues` while it is `value`, until a wake with one of the bits.
fn wait(
    queues: &Queues,
    word: u64,
    value: u32,
    bits: u32,
    deadline: Option<u64>,
) -> Result<u64, Errno> {
    // Who changes the word and then wakes needs the kernel's lock for that: nothing can come between
    // this look and the wait.
    if user::read::<u32>(word)? != value {
        return Err(Errno::EAGAIN);
    }
    let thread = itself()?;
    scheduler::prepare();
    queues.lock().add(word, thread, bits);
    let error = match block(deadline) {
        Ok(()) => return Ok(0),
        Err(error) => error,
    };
    let id = current().id();
    if !queues.lock().remove_at(word, |waiter| waiter.id() == id) {
        remove(id);
    }
    Err(error)
}

/// Waits at several words, each while it is its value; returns which of them was woken.
pub fn wait_for_one(words: &[(u64, u32)], deadline: Option<u64>) -> Result<u64, Errno> {
    for (word, value) in words {
        if user::read::<u32>(*word)? != *value {
            return Err(Errno::EAGAIN);
        }
    }
    let thread = itself()?;
    scheduler::prepare();
    for (word, _) in words {
        WAITERS.lock().add(*word, Arc::clone(&thread), ANY);
    }
    let woken = block(deadline);
    let id = current().id();
    let mut taken = 0;
    for (index, (word, _)) in words.iter().enumerate().rev() {
        // Who woke the thread took it out of that one queue.
        if !WAITERS.lock().remove_at(*word, |waiter| waiter.id() == id) {
            taken = index;
        }
    }
    remove(id);
    woken.map(|()| taken as u64)
}

/// Takes a thread out of every queue: a requeue may have moved it.
fn remove(id: u32) {
    for queues in [&WAITERS, &FOR_LOCKS] {
        queues.lock().remove(|waiter| waiter.id() == id);
    }
}

fn itself() -> Result<Arc<Thread>, Errno> {
    scheduler::find(current().id()).ok_or(Errno::ESRCH)
}

fn block(deadline: Option<u64>) -> Result<(), Errno> {
    match scheduler::block(deadline) {
        Woken::Awake => Ok(()),
        Woken::TimedOut => Err(Errno::ETIMEDOUT),
        Woken::Interrupted => Err(Errno::EINTR),
    }
}

/// Nobody waits any more: the process is new, and its only thread runs.
pub fn forget_waiters() {
    for queues in [&WAITERS, &FOR_LOCKS] {
        let waiters = core::mem::replace(&mut *queues.lock(), Waiters::new());
        drop(waiters);
    }
}

/// Wakes up to `count` that wait at `word` in `queues` for one of the bits; returns how many.
fn wake(queues: &Queues, word: u64, count: u32, bits: u32) -> u64 {
    let mut woken = 0;
    while woken < u64::from(count) {
        let next = queues.lock().take(word, bits);
        match next {
            Some(thread) => woken += u64::from(scheduler::wake(&thread)),
            None => break,
        }
    }
    woken
}

/// FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: wakes some waiters and has others wait at `target`.
/// Returns how many were woken or moved.
fn requeue(
    word: u64,
    target: u64,
    wake_count: u32,
    move_count: u32,
    expected: Option<u32>,
) -> Result<u64, Errno> {
    if let Some(expected) = expected {
        if user::read::<u32>(word)? != expected {
            return Err(Errno::EAGAIN);
        }
    }
    let woken = wake(&WAITERS, word, wake_count, ANY);
    let moved = WAITERS.lock().requeue(word, target, move_count);
    Ok(woken + moved)
}
