//! The guest's memory, as the service sees it.
//!
//! The guest may write all of it at any time, so no reference to it is ever made: bytes are copied
//! once, by an instruction of which the compiler assumes nothing, and judged as copies.

use pinion_abi::Errno;

/// Guest-physical memory.
pub trait GuestMemory {
    /// The host address of a guest-physical range, if the range lies wholly inside the guest's
    /// memory. The service only passes it to system calls.
    fn host(&self, address: u64, bytes: u64) -> Option<*mut u8>;
}

/// The bytes of one slot of a channel; offsets count from the slot's start.
#[derive(Debug, Clone, Copy)]
pub struct SlotData {
    base: *mut u8,
    bytes: usize,
}

impl SlotData {
    /// # Safety
    /// `bytes` bytes from `base` on stay mapped, readable and writable, for as long as the value
    /// is used, and nothing in this process holds a reference to them.
    pub unsafe fn new(base: *mut u8, bytes: usize) -> SlotData {
        SlotData { base, bytes }
    }

    /// What tells this slot from the others.
    pub(super) fn identity(&self) -> usize {
        self.base as usize
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies out of the slot. EFAULT if the range is not wholly inside.
    pub fn copy_in(&self, offset: usize, to: &mut [u8]) -> Result<(), Errno> {
        let from = self.range(offset, to.len())?;
        // SAFETY: `range` checked the source against the slot, which is mapped by `new`'s
        // contract; the target is a slice of this process that overlaps nothing of the guest's.
        unsafe { copy(to.as_mut_ptr(), from, to.len()) };
        Ok(())
    }

    /// Copies into the slot. EFAULT if the range is not wholly inside.
    pub fn copy_out(&self, offset: usize, from: &[u8]) -> Result<(), Errno> {
        let to = self.range(offset, from.len())?;
        // SAFETY: as in `copy_in`, the other way round.
        unsafe { copy(to, from.as_ptr(), from.len()) };
        Ok(())
    }

    fn range(&self, offset: usize, bytes: usize) -> Result<*mut u8, Errno> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.bytes => Ok(self.base.wrapping_add(offset)),
            _ => Err(Errno::EFAULT),
        }
    }
}

/// # Safety
/// `bytes` bytes are readable at `from` and writable at `to`, and do not overlap.
unsafe fn copy(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's contract; the direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") bytes => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}
