//! The areas of the address space: what was mapped where, by mmap(2), brk(2) and the loader.
//! Reserving is an entry here and nothing else.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use pinion_abi::layout::{PAGE, USER_END, USER_START};
use pinion_abi::portrait::{AreaEntry, AREAS, AREA_FILE, AREA_KERNEL, AREA_SHARED, AREA_STACK};

use super::roll::Roll;

/// A program's stack before it grows (setup_arg_pages in Linux's fs/exec.c).
const FIRST_STACK_BYTES: u64 = 132 << 10;

pub const PROT_READ: u32 = 1;
pub const PROT_WRITE: u32 = 2;
pub const PROT_EXEC: u32 = 4;

/// What an area's pages are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backing {
    /// Zeroed memory, private.
    Anonymous,
    /// A stack that grows down into the free addresses below it (MAP_GROWSDOWN).
    Stack,
    /// A file, or memory that processes share, which the host mapped over the pages when the area was made. `writable`: the host lets
    /// them be written.
    File { shared: bool, writable: bool },
    /// The host's own pages, or the kernel's trampolines: neither unmapped nor changed by the
    /// program.
    Kernel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    pub start: u64,
    pub end: u64,
    pub protection: u32,
    pub backing: Backing,
    /// Faults served so far: the more, the larger the steps.
    pub faults: u32,
}

impl Area {
    fn joins(&self, next: &Area) -> bool {
        self.end == next.start
            && self.protection == next.protection
            && self.backing == next.backing
            && self.backing == Backing::Anonymous
    }

    /// As the monitor is told.
    fn flags(&self) -> u64 {
        let kind = match self.backing {
            Backing::Anonymous => 0,
            Backing::Stack => AREA_STACK,
            Backing::File { shared: false, .. } => AREA_FILE,
            Backing::File { shared: true, .. } => AREA_FILE | AREA_SHARED,
            Backing::Kernel => AREA_KERNEL,
        };
        u64::from(self.protection) | kind
    }
}

/// An area, and which entry of the roll tells of it.
struct Told {
    area: Area,
    entry: u32,
}

/// All areas, by their start; they never overlap.
pub struct Areas {
    by_start: BTreeMap<u64, Told>,
    roll: Roll<AreaEntry, AREAS>,
    searched: Searched,
}

/// What the last search for free addresses has shown: no stretch of `bytes` at a multiple of `align` is free
/// from `end` up to `limit`. Thousands of stacks are so placed without going over all of them each time.
#[derive(Clone, Copy)]
struct Searched {
    bytes: u64,
    align: u64,
    limit: u64,
    end: u64,
}

impl Searched {
    const NOTHING: Searched = Searched {
        bytes: 0,
        align: 1,
        limit: 0,
        end: u64::MAX,
    };
}

impl Areas {
    pub const fn new() -> Areas {
        Areas {
            by_start: BTreeMap::new(),
            searched: Searched::NOTHING,
            roll: Roll::new(),
        }
    }

    /// Where the monitor reads them.
    pub fn head(&self) -> u64 {
        self.roll.head()
    }

    fn add(&mut self, area: Area) {
        let entry = self.roll.take();
        self.by_start.insert(area.start, Told { area, entry });
        self.tell(&area, entry);
    }

    fn take(&mut self, start: u64) -> Option<Area> {
        let told = self.by_start.remove(&start)?;
        self.roll.entry(told.entry).end.store(0, Ordering::Release);
        self.roll.give(told.entry);
        Some(told.area)
    }

    fn tell(&self, area: &Area, entry: u32) {
        let entry = self.roll.entry(entry);
        entry.start.store(area.start, Ordering::Relaxed);
        entry.flags.store(area.flags(), Ordering::Relaxed);
        entry.end.store(area.end, Ordering::Release);
    }

    /// The area that holds `address`.
    pub fn find(&self, address: u64) -> Option<&Area> {
        let (_, Told { area, .. }) = self.by_start.range(..=address).next_back()?;
        (address < area.end).then_some(area)
    }

    fn find_told(&mut self, address: u64) -> Option<&mut Told> {
        let (_, told) = self.by_start.range_mut(..=address).next_back()?;
        (address < told.area.end).then_some(told)
    }

    /// A fault was served there.
    pub fn count_fault(&mut self, address: u64) {
        if let Some(told) = self.find_told(address) {
            told.area.faults = told.area.faults.saturating_add(1);
        }
    }

    /// The first area that ends after `address`.
    pub fn at_or_after(&self, address: u64) -> Option<&Area> {
        self.find(address)
            .or_else(|| Some(&self.by_start.range(address..).next()?.1.area))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Area> {
        self.by_start.values().map(|told| &told.area)
    }

    /// Bytes of all areas: what RLIMIT_AS counts. A stack's area is what it may grow to; of that only as
    /// much counts as Linux gives a stack at first.
    pub fn bytes(&self) -> u64 {
        self.iter()
            .map(|area| match area.backing {
                Backing::Stack => (area.end - area.start).min(FIRST_STACK_BYTES),
                _ => area.end - area.start,
            })
            .sum()
    }

    /// Whether all of `start..end` is mapped.
    pub fn covers(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        while at < end {
            match self.find(at) {
                Some(area) => at = area.end,
                None => return false,
            }
        }
        true
    }

    /// Whether any area meets `start..end`.
    pub fn meets(&self, start: u64, end: u64) -> bool {
        self.at_or_after(start).is_some_and(|area| area.start < end)
    }

    /// Adds an area where none is, joining it with a neighbour of the same kind.
    pub fn insert(&mut self, area: Area) {
        debug_assert!(area.start < area.end && !self.meets(area.start, area.end));
        let mut area = area;
        let before = area
            .start
            .checked_sub(1)
            .and_then(|address| self.find(address).copied());
        if let Some(before) = before.filter(|before| before.joins(&area)) {
            self.take(before.start);
            area = Area {
                start: before.start,
                faults: before.faults,
                ..area
            };
        }
        if let Some(after) = self
            .find(area.end)
            .copied()
            .filter(|after| area.joins(after))
        {
            self.take(after.start);
            area.end = after.end;
        }
        self.add(area);
    }

    /// Cuts areas so that none crosses `address`.
    fn cut(&mut self, address: u64) {
        let Some(told) = self.find_told(address) else {
            return;
        };
        if told.area.start < address {
            let upper = Area {
                start: address,
                ..told.area
            };
            told.area.end = address;
            let (lower, entry) = (told.area, told.entry);
            self.tell(&lower, entry);
            self.add(upper);
        }
    }

    /// Takes out what lies in `start..end` and hands each piece to `each`.
    pub fn remove(&mut self, start: u64, end: u64, mut each: impl FnMut(Area)) {
        self.cut(start);
        self.cut(end);
        while let Some((&key, _)) = self.by_start.range(start..end).next() {
            if let Some(area) = self.take(key) {
                each(area);
            }
        }
        // What is free now ends where the next area begins.
        let next = self.by_start.range(end..).next();
        let free_to = next.map_or(u64::MAX, |(start, _)| *start);
        self.searched.end = self.searched.end.max(free_to);
    }

    /// Changes the protection of `start..end`, which must be covered.
    pub fn protect(&mut self, start: u64, end: u64, protection: u32) {
        let mut changed = Vec::new();
        self.remove(start, end, |area| changed.push(area));
        for area in changed {
            self.insert(Area { protection, ..area });
        }
    }

    /// The highest free stretch of `bytes` below `limit`, its start a multiple of `align`.
    pub fn find_free(&mut self, bytes: u64, align: u64, limit: u64) -> Option<u64> {
        let limit = limit.min(USER_END);
        let searched = self.searched;
        let known =
            bytes >= searched.bytes && align % searched.align == 0 && limit == searched.limit;
        let mut end = if known {
            limit.min(searched.end)
        } else {
            limit
        };
        let mut found = None;
        for (_, Told { area, .. }) in self.by_start.range(..end).rev() {
            if area.end < end {
                found = place(area.end, end, bytes, align);
                if found.is_some() {
                    break;
                }
            }
            end = end.min(area.start);
        }
        self.searched = Searched {
            bytes,
            align,
            limit,
            end,
        };
        found.or_else(|| place(USER_START, end, bytes, align))
    }
}

fn place(from: u64, to: u64, bytes: u64, align: u64) -> Option<u64> {
    let start = to.checked_sub(bytes)? & !(align - 1);
    (start >= from).then_some(start)
}

/// Rounds up to pages; `None` if that overflows.
pub fn page_up(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn area(start: u64, end: u64, protection: u32) -> Area {
        Area {
            start: start * PAGE,
            end: end * PAGE,
            protection,
            backing: Backing::Anonymous,
            faults: 0,
        }
    }

    #[test]
    fn neighbours_of_a_kind_join() {
        let mut areas = Areas::new();
        areas.insert(area(20, 30, 3));
        areas.insert(area(40, 50, 3));
        areas.insert(area(30, 40, 3));
        assert_eq!(areas.iter().count(), 1);
        areas.protect(25 * PAGE, 45 * PAGE, 1);
        assert_eq!(areas.iter().count(), 3);
        areas.protect(25 * PAGE, 45 * PAGE, 3);
        assert_eq!(areas.iter().count(), 1);
        assert_eq!(areas.bytes(), 30 * PAGE);
    }

    proptest! {
        /// Against a model: one protection for each page.
        #[test]
        fn areas_are_what_was_done(steps in prop::collection::vec((0u8..3, 16u64..80, 1u64..20, 0u32..4), 1..60)) {
            let mut areas = Areas::new();
            let mut model = [None; 128];
            for (what, start, count, protection) in steps {
                let pages = start as usize..(start + count) as usize;
                let (from, to) = (start * PAGE, (start + count) * PAGE);
                match what {
                    0 => {
                        areas.remove(from, to, |_| ());
                        areas.insert(area(start, start + count, protection));
                        model[pages].fill(Some(protection));
                    }
                    1 => {
                        areas.remove(from, to, |_| ());
                        model[pages].fill(None);
                    }
                    _ => {
                        let covered = model[pages.clone()].iter().all(Option::is_some);
                        prop_assert_eq!(areas.covers(from, to), covered);
                        if covered {
                            areas.protect(from, to, protection);
                            model[pages].fill(Some(protection));
                        }
                    }
                }
                for (page, expected) in model.iter().enumerate() {
                    let found = areas.find(page as u64 * PAGE).map(|area| area.protection);
                    prop_assert_eq!(found, *expected);
                }
                let mut told: Vec<_> = areas.roll.iter().map(|entry| {
                    let [start, end, flags] = [&entry.start, &entry.end, &entry.flags].map(|word| word.load(Ordering::Relaxed));
                    (start, end, flags as u32)
                }).filter(|(_, end, _)| *end != 0).collect();
                told.sort();
                let expected: Vec<_> = areas.iter().map(|area| (area.start, area.end, area.protection)).collect();
                prop_assert_eq!(told, expected);
                for (count, align) in [(3, 1), (5, 4)] {
                    let free = areas.find_free(count * PAGE, align * PAGE, 128 * PAGE);
                    let fits = |start: &u64| {
                        let pages = *start as usize..(*start + count) as usize;
                        *start % align == 0 && model[pages].iter().all(Option::is_none)
                    };
                    let first = USER_START / PAGE;
                    let highest = (first..=128 - count).rev().find(fits);
                    prop_assert_eq!(free.map(|start| start / PAGE), highest);
                }
            }
        }
    }
}
