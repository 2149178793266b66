//! The guest's page tables (Intel SDM 3A, 4.5), as its kernel writes them, and what of its memory is
//! resident in the host.

use std::fs::File;
use std::os::unix::fs::FileExt;

use pinion_abi::layout::{physical, GRANULE, PAGE};
use pinion_abi::portrait::{FILE, KEPT};

use super::View;

const PRESENT: u64 = 1;
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// A guest cannot have more pages than this (see `machine::memory::MOST`): a walk of tables that lead
/// to each other ends.
const MOST_ENTRIES: usize = 1 << 26;

/// Pages in a row, in both kinds of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub start: u64,
    pub physical: u64,
    pub bytes: u64,
    /// Whether the host maps a file there.
    pub is_file: bool,
}

/// Resident bytes of a mapping, by what smaps tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resident {
    /// Mapped by this process alone, or by others as well; of files, and not.
    pub private_clean: u64,
    pub private_dirty: u64,
    pub shared_clean: u64,
    pub swap: u64,
}

impl Resident {
    pub fn bytes(&self) -> u64 {
        self.private_clean + self.private_dirty + self.shared_clean
    }
}

impl std::ops::AddAssign for Resident {
    fn add_assign(&mut self, other: Resident) {
        self.private_clean += other.private_clean;
        self.private_dirty += other.private_dirty;
        self.shared_clean += other.shared_clean;
        self.swap += other.swap;
    }
}

impl View {
    /// Calls `each` for the pages of `start..end` until it says no.
    pub(super) fn walk(&self, start: u64, end: u64, mut each: impl FnMut(Run) -> bool) {
        let mut at = start;
        for _ in 0..MOST_ENTRIES {
            if at >= end {
                return;
            }
            let (entry, bytes) = self.leaf(at);
            let next = (at / bytes + 1) * bytes;
            if entry & (PRESENT | KEPT) != 0 {
                let run = Run {
                    start: at,
                    physical: (entry & ADDRESS & !(bytes - 1)) + at % bytes,
                    bytes: next.min(end) - at,
                    is_file: entry & FILE != 0,
                };
                if !each(run) {
                    return;
                }
            }
            at = next;
        }
    }

    /// The entry that maps an address, or 0, and the bytes that it is about.
    fn leaf(&self, at: u64) -> (u64, u64) {
        let mut table = physical::TABLES;
        for level in (0..4).rev() {
            let bytes = PAGE << (9 * level);
            let index = at / bytes % 512;
            let entry = self.word(table + index * 8).unwrap_or(0);
            if level == 0 || level == 1 && entry & LARGE != 0 {
                return (entry, bytes);
            }
            if entry & PRESENT == 0 {
                return (0, bytes);
            }
            table = entry & ADDRESS;
        }
        (0, GRANULE)
    }

    /// The first page of `start..end`: its address and its guest-physical one.
    pub(super) fn first_page(&self, start: u64, end: u64) -> Option<(u64, u64)> {
        let mut first = None;
        self.walk(start, end, |run| {
            first = Some((run.start, run.physical));
            false
        });
        first
    }

    /// What of `start..end` is resident, by the monitor's own /proc/self/pagemap (Linux's
    /// Documentation/admin-guide/mm/pagemap.rst). Who may not open that asks mincore(2), which does not tell
    /// what others map too: all of a file's counts as such.
    pub(super) fn resident(&self, pagemap: Option<&File>, start: u64, end: u64) -> Resident {
        let mut resident = Resident::default();
        let mut words = Vec::new();
        let mut pending: Option<Run> = None;
        let mut count = |run: Run| {
            let mut at = 0;
            while at < run.bytes {
                let pages = ((run.bytes - at) / PAGE).clamp(1, PIECE);
                let host = self.host(run.physical) + at;
                match pagemap {
                    Some(pagemap) => read_pagemap(pagemap, host, pages, &mut words, &mut resident),
                    None => ask_for_pages(host, pages, run.is_file, &mut words, &mut resident),
                }
                at += pages * PAGE;
            }
        };
        self.walk(start, end, |run| {
            if run.physical.saturating_add(run.bytes) > self.bytes {
                // The vDSO's.
                return true;
            }
            match &mut pending {
                Some(before)
                    if before.physical + before.bytes == run.physical
                        && before.is_file == run.is_file =>
                {
                    before.bytes += run.bytes;
                }
                before => {
                    if let Some(before) = before.replace(run) {
                        count(before);
                    }
                }
            }
            true
        });
        if let Some(run) = pending {
            count(run);
        }
        resident
    }
}

/// How many pages are looked at in one go.
const PIECE: u64 = 8192;

fn read_pagemap(
    pagemap: &File,
    host: u64,
    pages: u64,
    words: &mut Vec<u8>,
    resident: &mut Resident,
) {
    words.resize(pages as usize * 8, 0);
    let read = pagemap.read_at(words, host / PAGE * 8).unwrap_or(0);
    for word in words[..read].chunks_exact(8) {
        let word = word.iter().rev();
        resident.add(word.fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
}

fn ask_for_pages(
    host: u64,
    pages: u64,
    is_file: bool,
    states: &mut Vec<u8>,
    resident: &mut Resident,
) {
    states.resize(pages as usize, 0);
    let bytes = (pages * PAGE) as usize;
    // SAFETY: mincore(2) writes a byte for each page, and touches no page itself.
    let told = unsafe { libc::mincore(host as *mut _, bytes, states.as_mut_ptr()) } == 0;
    let there = states.iter().filter(|state| told && **state & 1 != 0);
    let bytes = there.count() as u64 * PAGE;
    if is_file {
        resident.shared_clean += bytes;
    } else {
        resident.private_dirty += bytes;
    }
}

impl Resident {
    /// One page, by its word of pagemap.
    fn add(&mut self, word: u64) {
        const IS_PRESENT: u64 = 1 << 63;
        const IS_SWAPPED: u64 = 1 << 62;
        const IS_FILE: u64 = 1 << 61;
        const IS_EXCLUSIVE: u64 = 1 << 56;
        if word & IS_SWAPPED != 0 {
            self.swap += PAGE;
        }
        if word & IS_PRESENT == 0 {
            return;
        }
        let kind = match (word & IS_FILE != 0, word & IS_EXCLUSIVE != 0) {
            (true, true) => &mut self.private_clean,
            (false, true) => &mut self.private_dirty,
            (_, false) => &mut self.shared_clean,
        };
        *kind += PAGE;
    }
}
