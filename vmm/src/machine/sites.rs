//! Where the bytes of `cpuid` stand in the files that guests of this container have executed, so that a file is
//! searched once, not by each process that executes it. It stands behind the container's counts
//! ([`pinion_abi::missing`], [`crate::census`]), in pages that no guest sees.
//!
//! A guest's kernel looks at what stands at such a place before it changes it, so an answer is a hint: a wrong one (two
//! files of one hash, a reader among the writers) costs time, nothing more. Hence there are no locks.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::census;

/// How many parts of files are remembered, and the most places of one.
const PARTS: usize = 256;
const PLACES: usize = 125;
/// How many entries are looked at for one part.
const PROBES: usize = 4;

/// Where they are in the container's file.
const START: u64 = census::START + census::HEAD_BYTES;
pub const END: u64 = START + size_of::<[Part; PARTS]>() as u64;

/// A part of a file; zeros at first.
#[repr(C)]
struct Part {
    /// A hash of which part of which file this is; 0: none.
    key: AtomicU64,
    count: AtomicU32,
    places: [AtomicU32; PLACES],
}

/// What is remembered.
pub struct Sites(NonNull<[Part; PARTS]>);

// SAFETY: the memory is mapped for good, and consists of atomics.
unsafe impl Send for Sites {}
// SAFETY: as above.
unsafe impl Sync for Sites {}

/// The part of `bytes` from `start` on of a file, as it is now.
pub fn key(file: BorrowedFd, start: u64, bytes: usize) -> Option<u64> {
    let state = status(file)?;
    let mut hasher = DefaultHasher::new();
    (state.st_dev, state.st_ino, state.st_size, start, bytes).hash(&mut hasher);
    (state.st_mtime, state.st_mtime_nsec).hash(&mut hasher);
    (state.st_ctime, state.st_ctime_nsec).hash(&mut hasher);
    Some(hasher.finish().max(1))
}

fn status(file: BorrowedFd) -> Option<libc::stat> {
    // SAFETY: a structure of integers; zero is a value of each.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: fstat(2) fills the structure.
    (unsafe { libc::fstat(file.as_raw_fd(), &mut status) } == 0).then_some(status)
}

impl Sites {
    /// `None`: the file has no room for them.
    pub fn map(file: BorrowedFd) -> Option<Sites> {
        if (status(file)?.st_size as u64) < END {
            return None;
        }
        // SAFETY: a new mapping of shared memory, which nobody makes shorter.
        let pages = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<[Part; PARTS]>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                START as libc::off_t,
            )
        };
        if pages == libc::MAP_FAILED {
            return None;
        }
        NonNull::new(pages.cast()).map(Sites)
    }

    fn parts(&self) -> &[Part; PARTS] {
        // SAFETY: mapped for good, aligned to a page; all bits are valid.
        unsafe { self.0.as_ref() }
    }

    fn probes(&self, key: u64) -> impl Iterator<Item = &Part> {
        let parts = self.parts();
        (0..PROBES).map(move |probe| &parts[(key as usize).wrapping_add(probe) % PARTS])
    }

    pub fn find(&self, key: u64) -> Option<Vec<u32>> {
        let part = self
            .probes(key)
            .find(|part| part.key.load(Ordering::Acquire) == key)?;
        let count = part.count.load(Ordering::Relaxed) as usize;
        let places = part.places.get(..count)?;
        Some(
            places
                .iter()
                .map(|place| place.load(Ordering::Relaxed))
                .collect(),
        )
    }

    /// Forgets another part if there is no room. More places than one part may have are not remembered.
    pub fn keep(&self, key: u64, places: &[u32]) {
        if places.len() > PLACES {
            return;
        }
        let free = |part: &&Part| part.key.load(Ordering::Relaxed) == 0;
        let first = &self.parts()[key as usize % PARTS];
        let part = self.probes(key).find(free).unwrap_or(first);
        part.key.store(0, Ordering::Relaxed);
        part.count.store(places.len() as u32, Ordering::Relaxed);
        for (to, place) in part.places.iter().zip(places) {
            to.store(*place, Ordering::Relaxed);
        }
        part.key.store(key, Ordering::Release);
    }
}

const _: () = assert!(size_of::<Part>() == 512);

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::{AsFd, FromRawFd};

    fn memory(bytes: u64) -> File {
        // SAFETY: memfd_create(2) reads a string; the descriptor is new.
        let file = unsafe { File::from_raw_fd(libc::memfd_create(c"sites".as_ptr(), 0)) };
        file.set_len(bytes).unwrap();
        file
    }

    #[test]
    fn what_one_keeps_another_finds() {
        let file = memory(END);
        let [one, other] = [(), ()].map(|()| Sites::map(file.as_fd()).unwrap());
        assert_eq!(other.find(7), None);
        one.keep(7, &[1, 2, 70_000]);
        one.keep(8, &[]);
        assert_eq!(other.find(7), Some(vec![1, 2, 70_000]));
        assert_eq!(other.find(8), Some(vec![]));
        // The counts before them are not touched.
        let counts = std::os::unix::fs::FileExt::read_at(&file, &mut [1; 8], 0).unwrap();
        assert_eq!(counts, 8);
    }

    #[test]
    fn there_is_room_for_the_newest() {
        let file = memory(END);
        let sites = Sites::map(file.as_fd()).unwrap();
        for key in 1..10 * PARTS as u64 {
            sites.keep(key, &[key as u32]);
            assert_eq!(sites.find(key), Some(vec![key as u32]));
        }
        sites.keep(1 << 40, &[0; PLACES + 1]);
        assert_eq!(sites.find(1 << 40), None);
        assert!(Sites::map(memory(START).as_fd()).is_none());
    }

    #[test]
    fn another_part_or_content_is_another_key() {
        let mut file = memory(0);
        let [first, part] = [0, 4096].map(|start| key(file.as_fd(), start, 4096).unwrap());
        assert_ne!(first, part);
        assert_eq!(first, key(file.as_fd(), 0, 4096).unwrap());
        file.write_all(b"text").unwrap();
        assert_ne!(first, key(file.as_fd(), 0, 4096).unwrap());
    }
}
