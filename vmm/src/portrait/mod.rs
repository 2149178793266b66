//! What the guest's kernel keeps for /proc ([`pinion_abi::portrait`]), read out of the guest's memory at
//! any time. It is what a guest says of itself: every number may be anything.

mod areas;
mod host;
mod pages;
mod strings;
mod texts;

use std::sync::atomic::{AtomicU64, Ordering};

use pinion_abi::layout::{physical, PHYSICAL};
use pinion_abi::portrait::{Page, Portrait, ThreadEntry, THREADS};

pub use areas::{Area, Map};
pub use host::Mapped;
pub use texts::{auxiliary, limits, maps, smaps, smaps_rollup, stat, statm, status, Process};

/// No honest kernel has more pages of entries: as many mappings as Linux allows (vm.max_map_count), and
/// more threads than it has ids.
const MOST_PAGES: usize = 1 << 15;

/// The guest's memory, for reading. The monitor's own reservation of addresses lasts as long as its process
/// and its children of fork(2), where it is at the same place.
#[derive(Debug, Clone, Copy)]
pub struct View {
    base: usize,
    bytes: u64,
}

/// A thread of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    pub id: u32,
    /// Up to 15 bytes.
    pub name: Vec<u8>,
    /// Signals that it blocks.
    pub blocked: u64,
}

impl View {
    /// # Safety
    /// `bytes` from `base` on stay readable as long as the process lives.
    pub unsafe fn new(base: *const u8, bytes: u64) -> View {
        View {
            base: base as usize,
            bytes,
        }
    }

    fn portrait(&self) -> &Portrait {
        // SAFETY: the page is in the boot memory, which stays mapped; all fields are atomics.
        unsafe { &*((self.base + physical::PORTRAIT as usize) as *const Portrait) }
    }

    /// Where the guest-physical address is in this process.
    fn host(&self, physical: u64) -> u64 {
        self.base as u64 + physical
    }

    fn word(&self, physical: u64) -> Option<u64> {
        let fits = physical.checked_add(8)? <= self.bytes && physical % 8 == 0;
        // SAFETY: the word lies in the guest's memory, by `new`'s contract; any value is fine.
        fits.then(|| unsafe { (self.host(physical) as *const u64).read_volatile() })
    }

    /// Goes over the entries of a list of the kernel's.
    fn each<E, const N: usize>(&self, head: &AtomicU64, mut each: impl FnMut(&E)) {
        let mut at = head.load(Ordering::Relaxed);
        for _ in 0..MOST_PAGES {
            let Some(physical) = at.checked_sub(PHYSICAL) else {
                return;
            };
            let bytes = size_of::<Page<E, N>>() as u64;
            let end = physical.checked_add(bytes);
            if physical % 8 != 0 || end.is_none_or(|end| end > self.bytes) {
                return;
            }
            // SAFETY: the page lies in the guest's memory; it consists of atomics, of which all values
            // are fine.
            let page = unsafe { &*(self.host(physical) as *const Page<E, N>) };
            page.entries.iter().for_each(&mut each);
            at = page.next.load(Ordering::Acquire);
        }
    }

    /// The guest's threads, by id.
    pub fn threads(&self) -> Vec<Thread> {
        let mut threads = Vec::new();
        self.each::<ThreadEntry, THREADS>(&self.portrait().threads, |entry| {
            let id = entry.id.load(Ordering::Acquire);
            if id == 0 {
                return;
            }
            let name = entry.name.iter().flat_map(|word| {
                let word = word.load(Ordering::Relaxed);
                word.to_le_bytes()
            });
            threads.push(Thread {
                id,
                name: name.take(15).take_while(|byte| *byte != 0).collect(),
                blocked: entry.blocked.load(Ordering::Relaxed),
            });
        });
        threads.sort_by_key(|thread| thread.id);
        threads.dedup_by_key(|thread| thread.id);
        threads
    }

    /// The soft limit of a resource, by its number (getrlimit(2)).
    pub fn limit(&self, resource: usize) -> u64 {
        self.portrait().limits[resource][0].load(Ordering::Relaxed)
    }

    /// prctl(2), PR_GET_DUMPABLE.
    pub fn is_dumpable(&self) -> bool {
        self.portrait().dumpable.load(Ordering::Relaxed) == 1
    }
}
