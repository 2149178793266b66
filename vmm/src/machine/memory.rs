//! The guest's memory in this process: one reservation, filled from its start on.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use pinion_abi::layout::{physical, GRANULE, PAGE, VDSO_PHYSICAL};
use pinion_abi::missing::MISSING_BYTES;
use pinion_abi::Errno;

use super::requests::last_errno;
use crate::calls::GuestMemory;
use crate::exit::{end_as, ExitStatus};
use crate::kvm::abi::kvm_userspace_memory_region;
use crate::kvm::{KvmError, Vm};
use crate::portrait::View;

/// Bytes that exist from the start: small programs need no more.
pub const FIRST: u64 = 38 << 20;
/// The most that a guest can have: the kernel's linear mapping ends there, and the vDSO's pages come
/// after it.
pub const MOST: u64 = 128 << 30;

/// The host's largest page. A mapping of a file in large pages is rounded up to whole ones,
/// whatever length mmap(2) was given, so the reservation has whole ones: nothing else of this
/// process lies where such a mapping reaches.
const LARGEST_PAGE: u64 = 1 << 30;

/// madvise(2), since Linux 5.14; this libc does not have them yet.
pub const MADV_POPULATE_READ: i32 = 22;
pub const MADV_POPULATE_WRITE: i32 = 23;

const _: () = assert!(MOST <= VDSO_PHYSICAL);

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("reserve {bytes} bytes of addresses for the guest: {source}")]
    Reserve { bytes: u64, source: io::Error },
    #[error(
        "vm.hwConfig.memory: {limit} bytes are less than the {FIRST} that a microVM starts with"
    )]
    TooSmall { limit: u64 },
    #[error("map the file of counts: {0}")]
    Counts(io::Error),
    #[error("give the guest memory: {0}")]
    Slot(#[from] KvmError),
}

/// Guest-physical memory from 0 on. Another thread may grow it at any time.
pub struct Memory {
    base: *mut u8,
    /// What it may grow to.
    limit: u64,
    /// What it is now.
    bytes: AtomicU64,
    /// Slots used so far.
    slots: AtomicU64,
}

// SAFETY: the reservation stays as it is; what changes is atomic.
unsafe impl Send for Memory {}
// SAFETY: as above. Contents are only touched by copies that expect them to change.
unsafe impl Sync for Memory {}

impl Memory {
    /// Reserves addresses for `limit` bytes, of which none has memory yet.
    pub fn reserve(limit: u64) -> Result<Memory, MemoryError> {
        if limit < FIRST {
            return Err(MemoryError::TooSmall { limit });
        }
        let limit = limit.min(MOST) / GRANULE * GRANULE;
        // One more, to align the start.
        let bytes = limit.next_multiple_of(LARGEST_PAGE) + LARGEST_PAGE;
        let failed = || MemoryError::Reserve {
            bytes,
            source: io::Error::last_os_error(),
        };
        // SAFETY: a new mapping, at an address that the host chooses.
        let start = unsafe {
            libc::mmap(
                null_mut(),
                bytes as usize,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(failed());
        }
        let base = (start as u64).next_multiple_of(LARGEST_PAGE) as *mut u8;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the range lies in the new mapping.
        if unsafe { libc::mprotect(base.cast(), limit as usize, access) } != 0 {
            return Err(failed());
        }
        Ok(Memory {
            base,
            limit,
            bytes: AtomicU64::new(0),
            slots: AtomicU64::new(0),
        })
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Grows to `wanted` bytes, or to `needed` if that is over the limit; returns the new size.
    pub fn grow(&self, vm: &Vm, wanted: u64, needed: u64) -> Result<Option<u64>, MemoryError> {
        let now = self.bytes();
        let Some(needed) = needed.checked_next_multiple_of(GRANULE) else {
            return Ok(None);
        };
        if needed > self.limit {
            return Ok(None);
        }
        let wanted = wanted.min(self.limit) / GRANULE * GRANULE;
        let bytes = wanted.max(needed);
        if bytes <= now {
            return Ok(Some(now));
        }
        let region = kvm_userspace_memory_region {
            slot: self.slots.fetch_add(1, Ordering::Relaxed) as u32 + 1,
            flags: 0,
            guest_phys_addr: now,
            memory_size: bytes - now,
            userspace_addr: self.base as u64 + now,
        };
        // SAFETY: the range lies in the reservation, which lives as long as the process; what it
        // holds is treated as hostile everywhere.
        unsafe { vm.set_memory(&region)? };
        self.bytes.store(bytes, Ordering::Release);
        Ok(Some(bytes))
    }

    /// All of it, for reading.
    pub fn view(&self) -> View {
        // SAFETY: what is reserved is mapped readable up to the limit, for good.
        unsafe { View::new(self.base, self.limit) }
    }

    /// Gives all of it to another VM: that of a child of fork(2), in which nobody else uses it yet.
    pub fn give(&self, vm: &Vm) -> Result<(), KvmError> {
        let region = kvm_userspace_memory_region {
            slot: 1,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: self.bytes(),
            userspace_addr: self.base as u64,
        };
        // SAFETY: as in `grow`.
        unsafe { vm.set_memory(&region)? };
        self.slots.store(1, Ordering::Relaxed);
        Ok(())
    }

    /// Where a range is in this process, if it lies in the guest's memory.
    fn range(&self, address: u64, bytes: u64) -> Option<*mut u8> {
        let end = address.checked_add(bytes)?;
        (end <= self.bytes()).then(|| self.base.wrapping_add(address as usize))
    }

    /// A range of whole pages that the kernel may have changed: none of those that the monitor
    /// itself uses.
    pub fn pages(&self, address: u64, bytes: u64) -> Option<*mut u8> {
        let whole = address % PAGE == 0 && bytes % PAGE == 0 && bytes > 0;
        if !whole || address < physical::BOOT_END {
            return None;
        }
        self.range(address, bytes)
    }

    /// Maps a file, or anonymous memory, over guest pages: those of [`Memory::pages`].
    ///
    /// With MAP_FIXED, mmap(2) takes away what is there before it asks the file, which may refuse:
    /// the next mapping of this process, its heap, could then lie in the guest's memory. So
    /// the file is mapped elsewhere and moved, which can fail for want of the host's memory only.
    pub fn map(
        &self,
        address: u64,
        bytes: u64,
        protection: i32,
        flags: i32,
        fd: RawFd,
        offset: libc::off_t,
    ) -> Result<*mut u8, Errno> {
        self.pages(address, bytes).ok_or(Errno::EFAULT)?;
        let length = bytes as usize;
        let flags = flags | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, at an address that the host chooses.
        let new = unsafe { libc::mmap(null_mut(), length, protection, flags, fd, offset) };
        if new == libc::MAP_FAILED {
            return Err(last_errno());
        }
        self.replace(address, bytes, new)
    }

    /// Moves a new mapping of as many bytes over guest pages: those of [`Memory::pages`].
    pub fn replace(
        &self,
        address: u64,
        bytes: u64,
        new: *mut libc::c_void,
    ) -> Result<*mut u8, Errno> {
        let pages = self.pages(address, bytes).ok_or(Errno::EFAULT)?;
        let bytes = bytes as usize;
        // SAFETY: what moves was just mapped and is used by nobody. It replaces pages of the guest
        // above the monitor's own; nothing in this process relies on what they hold.
        let moved = unsafe {
            let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
            libc::mremap(new, bytes, bytes, flags, pages)
        };
        if moved == libc::MAP_FAILED {
            let error = last_errno();
            // One of a file in large pages has whole ones, and nothing less can be unmapped.
            for unit in [PAGE as usize, GRANULE as usize, LARGEST_PAGE as usize] {
                // SAFETY: the new mapping is used by nobody.
                if unsafe { libc::munmap(new, bytes.next_multiple_of(unit)) } == 0 {
                    break;
                }
            }
            // SAFETY: msync(2) with MS_ASYNC only looks whether all is mapped.
            let whole = unsafe { libc::msync(pages.cast(), bytes, libc::MS_ASYNC) } == 0;
            if !whole {
                end_as(ExitStatus::Signal(libc::SIGKILL));
            }
            return Err(error);
        }
        Ok(pages)
    }

    /// Has the guest's counts of what it did not get stand in a file, before the guest runs. The file is
    /// as long as they are, and nobody makes it shorter.
    pub fn count_in(&self, file: BorrowedFd) -> Result<(), MemoryError> {
        let at = self.base.wrapping_add(physical::MISSING as usize);
        // SAFETY: the page lies in the reservation, and nothing uses it yet.
        let mapped = unsafe {
            libc::mmap(
                at.cast(),
                MISSING_BYTES as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_FIXED,
                file.as_raw_fd(),
                0,
            )
        };
        if mapped == libc::MAP_FAILED {
            return Err(MemoryError::Counts(io::Error::last_os_error()));
        }
        Ok(())
    }

    /// Where the addresses end that only the guest's memory uses.
    #[cfg(test)]
    pub fn reserved_end(&self) -> u64 {
        self.base as u64 + self.limit.next_multiple_of(LARGEST_PAGE)
    }

    /// The monitor's own pages, before and while the guest runs. They are anonymous memory for
    /// ever, so a copy from or to them cannot fault.
    pub fn boot_pages(&self) -> *mut u8 {
        self.base
    }
}

impl GuestMemory for Memory {
    fn host(&self, address: u64, bytes: u64) -> Option<*mut u8> {
        self.range(address, bytes)
    }
}
