//! futex(2), and the calls that stand for some of its operations since Linux 6.7.

use alloc::vec::Vec;

use pinion_abi::Errno;

use super::time;
use crate::arch::Frame;
use crate::boot;
use crate::mm::user;
use crate::threads::futex::word::Word;
use crate::threads::futex::{pi, wait_for_one, wait_for_one_shared, ANY};

// linux/futex.h.
const WAIT: u64 = 0;
const WAKE: u64 = 1;
const REQUEUE: u64 = 3;
const CMP_REQUEUE: u64 = 4;
const WAKE_OP: u64 = 5;
const LOCK_PI: u64 = 6;
const UNLOCK_PI: u64 = 7;
const TRYLOCK_PI: u64 = 8;
const WAIT_BITSET: u64 = 9;
const WAKE_BITSET: u64 = 10;
const WAIT_REQUEUE_PI: u64 = 11;
const CMP_REQUEUE_PI: u64 = 12;
const LOCK_PI2: u64 = 13;
const PRIVATE: u64 = 128;
const REALTIME: u64 = 256;
const COMMAND: u64 = !(PRIVATE | REALTIME);

const CLOCK_REALTIME: u64 = 0;
const CLOCK_MONOTONIC: u64 = 1;

pub fn futex(frame: &mut Frame) -> Result<u64, Errno> {
    let [address, operation, value, fourth, second, third] = frame.args();
    let operation = u64::from(operation as u32);
    let command = operation & COMMAND;
    let real = operation & REALTIME != 0;
    if real && ![WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2].contains(&command) {
        return Err(Errno::ENOSYS);
    }
    let deadline = match command {
        WAIT | WAIT_BITSET | WAIT_REQUEUE_PI | LOCK_PI | LOCK_PI2 if fourth != 0 => {
            let clock = match real || command == LOCK_PI {
                true => CLOCK_REALTIME,
                false => CLOCK_MONOTONIC,
            };
            let time = user::read(fourth)?;
            Some(time::deadline(clock, command != WAIT, time)?)
        }
        _ => None,
    };
    let find = |address| Word::find(address, operation & PRIVATE != 0);
    let (value, count, third) = (value as u32, fourth as u32, third as u32);
    let counts = || match (value as i32) < 0 || (count as i32) < 0 {
        true => Err(Errno::EINVAL),
        false => Ok(()),
    };
    match command {
        WAIT => wait(find(address)?, value, ANY, deadline),
        WAIT_BITSET => wait(find(address)?, value, third, deadline),
        WAKE => find(address)?.wake(value, ANY),
        WAKE_BITSET => find(address)?.wake(value, third),
        REQUEUE => {
            counts()?;
            find(address)?.requeue(find(second)?, value, count, None)
        }
        CMP_REQUEUE => {
            counts()?;
            find(address)?.requeue(find(second)?, value, count, Some(third))
        }
        WAKE_OP => find(address)?.wake_op(find(second)?, value, count, third),
        LOCK_PI | LOCK_PI2 => pi::lock(find(address)?, deadline),
        UNLOCK_PI => pi::unlock(find(address)?),
        TRYLOCK_PI => pi::try_lock(find(address)?),
        WAIT_REQUEUE_PI => pi::wait_requeue(find(address)?, value, deadline, find(second)?),
        CMP_REQUEUE_PI => {
            counts()?;
            match value {
                1 => pi::requeue(find(address)?, find(second)?, count, third),
                _ => Err(Errno::EINVAL),
            }
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// A wait with a time is not made again after a handler (signal(7)).
fn wait(word: Word, value: u32, bits: u32, deadline: Option<u64>) -> Result<u64, Errno> {
    match word.wait(value, bits, deadline) {
        Err(Errno::EINTR) if deadline.is_some() => Err(Errno::ERESTARTNOHAND),
        result => result,
    }
}

/// The word that flags of the newer calls tell of: FUTEX2_SIZE_U32, FUTEX2_PRIVATE.
fn find(address: u64, flags: u64) -> Result<Word, Errno> {
    const SIZE_U32: u64 = 2;
    match flags & !PRIVATE {
        SIZE_U32 => Word::find(address, flags & PRIVATE != 0),
        _ => Err(Errno::EINVAL),
    }
}

/// A value that the word can have, or bits to match.
fn narrow(value: u64) -> Result<u32, Errno> {
    u32::try_from(value).map_err(|_| Errno::EINVAL)
}

pub fn futex_wake(frame: &mut Frame) -> Result<u64, Errno> {
    let [address, bits, count, flags, ..] = frame.args();
    let word = find(address, flags)?;
    let bits = narrow(bits)?;
    match count as i32 {
        1.. => word.wake(count as u32, bits),
        _ if bits == 0 => Err(Errno::EINVAL),
        _ => Ok(0),
    }
}

pub fn futex_wait(frame: &mut Frame) -> Result<u64, Errno> {
    let [address, value, bits, flags, timeout, clock] = frame.args();
    let (value, bits) = (narrow(value)?, narrow(bits)?);
    let deadline = deadline_of(timeout, clock)?;
    find(address, flags)?.wait(value, bits, deadline)
}

/// Bytes of struct futex_waitv: a value, an address, flags.
const WAITER_BYTES: u64 = 24;

fn waiter(waiters: u64, index: u64) -> Result<(Word, u32), Errno> {
    let at = waiters.checked_add(index * WAITER_BYTES);
    let [value, address, flags]: [u64; 3] = user::read(at.ok_or(Errno::EFAULT)?)?;
    Ok((find(address, flags)?, narrow(value)?))
}

/// Words of the process's own and those that it shares cannot be waited for together.
pub fn futex_waitv(frame: &mut Frame) -> Result<u64, Errno> {
    const MOST: u64 = 128;
    let [waiters, count, flags, timeout, clock, _] = frame.args();
    let count = u64::from(count as u32);
    if flags as u32 != 0 || count == 0 || count > MOST || waiters == 0 {
        return Err(Errno::EINVAL);
    }
    let deadline = deadline_of(timeout, clock)?;
    let mut words = Vec::new();
    for index in 0..count {
        words.push(waiter(waiters, index)?);
    }
    let own = |(word, value): &(Word, u32)| word.shared.is_none().then_some((word.address, *value));
    let shared = |(word, value): &(Word, u32)| Some([word.shared?, u64::from(*value)]);
    let all_own: Option<Vec<_>> = words.iter().map(own).collect();
    let all_shared: Option<Vec<_>> = words.iter().map(shared).collect();
    match (all_own, all_shared) {
        (Some(words), _) => wait_for_one(&words, deadline),
        (_, Some(words)) => wait_for_one_shared(&words, deadline),
        _ => {
            boot::missing().count(frame.original as u32);
            Err(Errno::ENOSYS)
        }
    }
}

/// The absolute time at which a wait of the newer calls ends.
fn deadline_of(timeout: u64, clock: u64) -> Result<Option<u64>, Errno> {
    match timeout {
        0 => Ok(None),
        _ if clock as u32 as u64 > CLOCK_MONOTONIC => Err(Errno::EINVAL),
        at => time::deadline(clock, true, user::read(at)?).map(Some),
    }
}

pub fn futex_requeue(frame: &mut Frame) -> Result<u64, Errno> {
    let [pair, flags, wake, moved, ..] = frame.args();
    if flags != 0 || (wake as i32) < 0 || (moved as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let (word, expected) = waiter(pair, 0)?;
    let (target, _) = waiter(pair, 1)?;
    word.requeue(target, wake as u32, moved as u32, Some(expected))
}
