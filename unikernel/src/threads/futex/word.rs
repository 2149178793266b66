//! A word of the program's, and who keeps its waiters.

use pinion_abi::layout::USER_END;
use pinion_abi::Errno;

use super::{owner, shared, ANY, FOR_LOCKS, WAITERS};
use crate::mm::user;
use crate::threads::ids;

/// A word that threads wait for. The mapping decides who keeps the waiters of one that is not said to
/// be private: this kernel, or the host if other processes can map the word.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    pub address: u64,
    /// Where it is in physical memory, if its waiters are the host's.
    pub shared: Option<u64>,
}

impl Word {
    /// `private`: the program says that only its own threads wait (FUTEX_PRIVATE_FLAG).
    pub fn find(address: u64, private: bool) -> Result<Word, Errno> {
        if address % 4 != 0 {
            return Err(Errno::EINVAL);
        }
        if address >= USER_END {
            return Err(Errno::EFAULT);
        }
        let shared = match private {
            true => None,
            false => shared::locate(address)?,
        };
        Ok(Word { address, shared })
    }

    /// FUTEX_WAIT_BITSET; the deadline is by the monotonic clock, in nanoseconds.
    pub fn wait(self, value: u32, bits: u32, deadline: Option<u64>) -> Result<u64, Errno> {
        match self.shared {
            _ if bits == 0 => Err(Errno::EINVAL),
            Some(physical) => {
                let holder = owner::of_robust(self.address, value);
                shared::wait(self.address, physical, value, bits, deadline, holder)
            }
            None => super::wait(&WAITERS, self.address, value, bits, deadline),
        }
    }

    /// Waits for a lock, whose word is `value`, until its owner gives it away or ends.
    pub fn wait_for_lock(self, value: u32, deadline: Option<u64>) -> Result<u64, Errno> {
        match self.shared {
            Some(physical) => {
                let holder = ids::process(value & owner::ID);
                shared::wait(self.address, physical, value, ANY, deadline, holder)
            }
            None => super::wait(&FOR_LOCKS, self.address, value, ANY, deadline),
        }
    }

    /// Has one who waits for the lock look at it again.
    pub fn wake_for_lock(self) -> Result<u64, Errno> {
        match self.shared {
            Some(physical) => shared::wake(physical, 1, ANY),
            None => Ok(super::wake(&FOR_LOCKS, self.address, 1, ANY)),
        }
    }

    /// FUTEX_WAKE_BITSET.
    pub fn wake(self, count: u32, bits: u32) -> Result<u64, Errno> {
        match self.shared {
            _ if bits == 0 => Err(Errno::EINVAL),
            Some(physical) => shared::wake(physical, count, bits),
            None => Ok(super::wake(&WAITERS, self.address, count, bits)),
        }
    }

    /// FUTEX_REQUEUE, FUTEX_CMP_REQUEUE.
    pub fn requeue(
        self,
        target: Word,
        wake_count: u32,
        move_count: u32,
        expected: Option<u32>,
    ) -> Result<u64, Errno> {
        match (self.shared, target.shared) {
            (Some(word), Some(target)) => {
                shared::requeue(word, target, wake_count, move_count, expected)
            }
            (None, None) => super::requeue(
                self.address,
                target.address,
                wake_count,
                move_count,
                expected,
            ),
            // Nobody keeps waiters of both: those to be moved are woken, as they must expect to be.
            _ => {
                if let Some(expected) = expected {
                    if user::read::<u32>(self.address)? != expected {
                        return Err(Errno::EAGAIN);
                    }
                }
                self.wake(wake_count.saturating_add(move_count), ANY)
            }
        }
    }

    /// FUTEX_WAKE_OP: changes the word `second`, wakes here, and there if its old value was as the
    /// operation says.
    pub fn wake_op(
        self,
        second: Word,
        count: u32,
        second_count: u32,
        operation: u32,
    ) -> Result<u64, Errno> {
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
        let old = user::update(second.address, |old| match kind {
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
        let mut woken = self.wake(count, ANY)?;
        if also {
            woken += second.wake(second_count, ANY)?;
        }
        Ok(woken)
    }
}
