//! Words in shared mappings: other processes reach them too, so the host keeps their waiters.

use pinion_abi::calls::{machine, Wait};
use pinion_abi::Errno;

use super::owner;
use crate::channel::{self, Owned};
use crate::mm::areas::Backing;
use crate::mm::space::{Access, SPACE};
use crate::mm::user;
use crate::signals;
use crate::threads::current;

/// Where a word is in physical memory if its mapping is shared; EFAULT where nothing can be read.
pub fn locate(word: u64) -> Result<Option<u64>, Errno> {
    let mut space = SPACE.lock();
    let area = space.areas.find(word).ok_or(Errno::EFAULT)?;
    let shared = matches!(area.backing, Backing::File { shared: true, .. });
    if !shared {
        return Ok(None);
    }
    match space.translate(word, Access::Read) {
        Ok((physical, _)) => Ok(Some(physical)),
        Err(_) => Err(Errno::EFAULT),
    }
}

/// FUTEX_WAIT_BITSET of the word at `address`, which is at `physical`, and which `holder` holds as a lock.
pub fn wait(
    address: u64,
    physical: u64,
    value: u32,
    bits: u32,
    deadline: Option<u64>,
    holder: Option<u32>,
) -> Result<u64, Errno> {
    if user::read::<u32>(address)? != value {
        return Err(Errno::EAGAIN);
    }
    let deadline = deadline.map_or(0, |deadline| deadline.max(1));
    let args = [
        physical,
        value.into(),
        bits.into(),
        deadline,
        holder.unwrap_or(0).into(),
        0,
    ];
    loop {
        let slot = Owned::take_for_call();
        match channel::result(slot.call_unlocked(machine::FUTEX_WAIT, &args, Wait::Always)) {
            // Something that is no signal of the program's.
            Err(Errno::EINTR) if !signals::interrupts(current()) => {}
            Err(Errno::EOWNERDEAD) => {
                owner::abandon(address, value & owner::ID)?;
                return Ok(0);
            }
            result => return result,
        }
    }
}

/// futex_waitv(2) of words at these physical addresses, each while it is its value.
pub fn wait_for_one(words: &[[u64; 2]], deadline: Option<u64>) -> Result<u64, Errno> {
    let slot = Owned::take_for_call();
    let offset = pinion_abi::channel::DATA as u64;
    for (index, word) in words.iter().enumerate() {
        // SAFETY: the slot is ours, and its data have room for 128 of them.
        unsafe {
            ((slot.address() + offset) as *mut [u64; 2])
                .add(index)
                .write(*word)
        };
    }
    let deadline = deadline.map_or(0, |deadline| deadline.max(1));
    let args = [offset, words.len() as u64, deadline, 0, 0, 0];
    loop {
        match channel::result(slot.call_unlocked(machine::FUTEX_WAITV, &args, Wait::Always)) {
            // As in `wait`.
            Err(Errno::EINTR) if !signals::interrupts(current()) => {}
            result => return result,
        }
    }
}

/// FUTEX_WAKE_BITSET.
pub fn wake(physical: u64, count: u32, bits: u32) -> Result<u64, Errno> {
    let args = [physical, count.into(), bits.into(), 0, 0];
    channel::result(channel::machine_call(machine::FUTEX_WAKE, args))
}

/// FUTEX_REQUEUE and FUTEX_CMP_REQUEUE.
pub fn requeue(
    physical: u64,
    target: u64,
    wake_count: u32,
    move_count: u32,
    expected: Option<u32>,
) -> Result<u64, Errno> {
    let counts = u64::from(wake_count) | u64::from(move_count) << 32;
    let expected = expected.map_or(machine::FUTEX_ANY_VALUE, u64::from);
    let args = [physical, target, counts, expected, 0];
    channel::result(channel::machine_call(machine::FUTEX_REQUEUE, args))
}
