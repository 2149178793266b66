//! Arguments that are the program's own memory: its guest-physical pieces go to the monitor.

use pinion_abi::channel::{segments, Segment, SLOT_BYTES};
use pinion_abi::layout::USER_END;
use pinion_abi::Errno;

use super::{Data, MAX_BYTES, MAX_VECTOR};
use crate::mm::space::{Access, Fault, SPACE};
use crate::mm::user;

impl Data {
    /// Appends the physical pieces of `bytes` from `address` on to the segments that began at
    /// `offset`; stops early where the memory or the slot ends. Returns how many bytes it took.
    fn segments(
        &mut self,
        offset: u64,
        count: &mut u32,
        address: u64,
        bytes: u64,
        access: Access,
    ) -> Result<u64, Errno> {
        if address.checked_add(bytes).is_none_or(|end| end > USER_END) {
            return Err(Errno::EFAULT);
        }
        let mut space = SPACE.lock();
        let mut taken = 0;
        while taken < bytes {
            let (physical, piece) = match space.translate(address + taken, access) {
                Ok(found) => found,
                Err(Fault::NoMemory) => return Err(Errno::ENOMEM),
                Err(_) if taken > 0 && !self.whole => break,
                Err(_) => return Err(Errno::EFAULT),
            };
            let piece = piece.min(bytes - taken);
            let at = self.slot.address() + offset + u64::from(*count) * size_of::<Segment>() as u64;
            let last = at.wrapping_sub(size_of::<Segment>() as u64) as *mut Segment;
            // SAFETY: the segment before `at` was written below; it lies in our slot.
            if *count > 0 && unsafe { (*last).address + (*last).bytes } == physical {
                // SAFETY: as above.
                unsafe { (*last).bytes += piece };
            } else {
                let end = offset + (u64::from(*count) + 1) * size_of::<Segment>() as u64;
                if end > SLOT_BYTES as u64 || u64::from(*count) == MAX_VECTOR {
                    break;
                }
                // SAFETY: the segment lies in our slot, as just checked.
                unsafe {
                    (at as *mut Segment).write(Segment {
                        address: physical,
                        bytes: piece,
                    })
                };
                *count += 1;
                self.used = end;
            }
            taken += piece;
        }
        Ok(taken)
    }

    pub(super) fn buffer(
        &mut self,
        address: u64,
        bytes: u64,
        access: Access,
    ) -> Result<u64, Errno> {
        let offset = self.reserve(0)?;
        let mut count = 0;
        self.segments(offset, &mut count, address, bytes.min(MAX_BYTES), access)?;
        Ok(segments(offset as u32, count))
    }

    pub(super) fn vector(
        &mut self,
        address: u64,
        items: u64,
        access: Access,
    ) -> Result<u64, Errno> {
        if items > MAX_VECTOR {
            return Err(Errno::EINVAL);
        }
        let offset = self.reserve(0)?;
        let mut count = 0;
        let mut total = 0u64;
        for item in 0..items {
            let [base, bytes]: [u64; 2] = user::read(address + item * 16)?;
            if bytes > i64::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            // All addresses are looked at before the first byte moves (access_ok).
            if base.checked_add(bytes).is_none_or(|end| end > USER_END) {
                return Err(Errno::EFAULT);
            }
            let bytes = bytes.min(MAX_BYTES - total);
            let taken = match self.segments(offset, &mut count, base, bytes, access) {
                Err(_) if total > 0 && !self.whole => break,
                other => other?,
            };
            total += taken;
            if taken < bytes {
                break;
            }
        }
        Ok(segments(offset as u32, count))
    }
}
