//! The areas of the address space: what was mapped where, by mmap(2), brk(2) and the loader.
//! Reserving is an entry here and nothing else.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use pinion_abi::layout::{PAGE, USER_END, USER_START};

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
}

/// All areas, by their start; they never overlap.
#[derive(Default)]
pub struct Areas {
    by_start: BTreeMap<u64, Area>,
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

impl Default for Searched {
    fn default() -> Searched {
        Searched::NOTHING
    }
}

impl Areas {
    pub const fn new() -> Areas {
        Areas {
            by_start: BTreeMap::new(),
            searched: Searched::NOTHING,
        }
    }

    /// The area that holds `address`.
    pub fn find(&self, address: u64) -> Option<&Area> {
        let (_, area) = self.by_start.range(..=address).next_back()?;
        (address < area.end).then_some(area)
    }

    pub fn find_mut(&mut self, address: u64) -> Option<&mut Area> {
        let (_, area) = self.by_start.range_mut(..=address).next_back()?;
        (address < area.end).then_some(area)
    }

    /// The first area that ends after `address`.
    pub fn at_or_after(&self, address: u64) -> Option<&Area> {
        self.find(address)
            .or_else(|| self.by_start.range(address..).next().map(|(_, area)| area))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Area> {
        self.by_start.values()
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
            self.by_start.remove(&before.start);
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
            self.by_start.remove(&after.start);
            area.end = after.end;
        }
        self.by_start.insert(area.start, area);
    }

    /// Cuts areas so that none crosses `address`.
    fn cut(&mut self, address: u64) {
        if let Some(area) = self.find_mut(address) {
            if area.start < address {
                let upper = Area {
                    start: address,
                    ..*area
                };
                area.end = address;
                self.by_start.insert(address, upper);
            }
        }
    }

    /// Takes out what lies in `start..end` and hands each piece to `each`.
    pub fn remove(&mut self, start: u64, end: u64, mut each: impl FnMut(Area)) {
        self.cut(start);
        self.cut(end);
        while let Some((&key, &area)) = self.by_start.range(start..end).next() {
            self.by_start.remove(&key);
            each(area);
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
        for area in self.by_start.range(..end).rev().map(|(_, area)| area) {
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
