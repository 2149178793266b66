//! Guest-physical memory: which pages are free.
//!
//! It is given out in granules of 2 MiB, so that large pages hold and a buffer is one piece, or in
//! single pages and short runs of pages from granules set aside for them. The monitor adds memory
//! when all is used. A page that is given out is zeroed.

use pinion_abi::layout::{GRANULE, PAGE};

/// Pages of a granule.
pub const GRANULE_PAGES: usize = (GRANULE / PAGE) as usize;
/// Pages that the host is asked to make present at once, ahead of their first use.
const POPULATE_PAGES: usize = 32;
/// As many free pages may keep their memory, for whoever wants pages next, and one for each sixteen
/// that are in use.
const IDLE_PAGES: usize = 512;
const IDLE_SHARE: usize = 16;

/// What the allocator asks of the machine.
pub trait Machine {
    /// Grows guest-physical memory to at least `bytes`; returns its new size, or `None`.
    fn grow(&self, bytes: u64) -> Option<u64>;
    /// Makes the host give these pages memory, so that touching them leaves the guest no more.
    fn populate(&self, address: u64, bytes: u64);
    /// Gives the memory of these pages back to the host: they read as zero afterwards.
    fn discard(&self, address: u64, bytes: u64);
    /// Fills these pages with zeroes.
    fn zero(&self, address: u64, bytes: u64);
}

/// A granule's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Use {
    /// Nobody's.
    Free,
    /// Given out whole.
    Whole,
    /// Given out by pages.
    Pages,
    /// Given out by pages over which the host maps files: they never have memory of their own.
    FilePages,
}

#[derive(Clone, Copy)]
pub struct Granule {
    usage: Use,
    /// Pages in use, when given out by pages.
    used: u16,
    /// Pages from the start that the host was asked to make present.
    populated: u16,
    /// Whether its pages may hold old data.
    dirty: bool,
    /// A bit for each page in use.
    bits: [u64; GRANULE_PAGES / 64],
}

impl Granule {
    pub const FREE: Granule = Granule {
        usage: Use::Free,
        used: 0,
        populated: 0,
        dirty: false,
        bits: [0; GRANULE_PAGES / 64],
    };

    fn is_used(&self, page: usize) -> bool {
        self.bits[page / 64] >> (page % 64) & 1 != 0
    }

    fn mark(&mut self, page: usize, used: bool) {
        if used {
            self.bits[page / 64] |= 1 << (page % 64);
        } else {
            self.bits[page / 64] &= !(1 << (page % 64));
        }
    }

    /// The first run of `count` free pages.
    fn find(&self, count: usize) -> Option<usize> {
        if GRANULE_PAGES - usize::from(self.used) < count {
            return None;
        }
        let mut run = 0;
        for page in 0..GRANULE_PAGES {
            if page % 64 == 0 && self.bits[page / 64] == u64::MAX {
                run = 0;
                continue;
            }
            run = if self.is_used(page) { 0 } else { run + 1 };
            if run == count {
                return Some(page + 1 - count);
            }
        }
        None
    }
}

/// The allocator. Addresses are guest-physical.
pub struct Physical<M: Machine + 'static> {
    machine: &'static M,
    /// One for each granule that memory may ever have.
    granules: &'static mut [Granule],
    /// Granules that have memory now.
    present: usize,
    /// Where the search for a free granule begins.
    next_free: usize,
    /// A granule with free pages, most likely.
    current: usize,
    /// Single pages that are in use, files' not counted.
    in_use: usize,
    /// About as many of the others have memory: they were in use.
    idle: usize,
}

impl<M: Machine> Physical<M> {
    /// `memory_bytes` of memory exist, of which those below `first` are taken.
    pub fn new(
        machine: &'static M,
        granules: &'static mut [Granule],
        memory_bytes: u64,
        first: u64,
    ) -> Physical<M> {
        let present = ((memory_bytes / GRANULE) as usize).min(granules.len());
        let taken = (first.div_ceil(GRANULE) as usize).min(present);
        for granule in &mut granules[..taken] {
            granule.usage = Use::Whole;
        }
        Physical {
            machine,
            granules,
            present,
            next_free: taken,
            current: usize::MAX,
            in_use: 0,
            idle: 0,
        }
    }

    /// Bytes that are given out (granules of single pages count whole).
    pub fn used_bytes(&self) -> u64 {
        let used = self.granules[..self.present]
            .iter()
            .filter(|granule| granule.usage != Use::Free);
        used.count() as u64 * GRANULE
    }

    /// `count` granules in one piece. They read as zero.
    pub fn allocate_granules(&mut self, count: usize) -> Option<u64> {
        let first = self.take_granules(count)?;
        for index in first..first + count {
            self.granules[index].usage = Use::Whole;
            self.clean(index);
        }
        Some(first as u64 * GRANULE)
    }

    /// `count` pages in one piece, at most a granule's. They read as zero.
    pub fn allocate_pages(&mut self, count: usize) -> Option<u64> {
        if count == 0 || count > GRANULE_PAGES {
            return None;
        }
        let (index, page) = self.take_pages(count, Use::Pages)?;
        self.in_use += count;
        let granule = &mut self.granules[index];
        let end = page + count;
        let populated = usize::from(granule.populated);
        let address = index as u64 * GRANULE + page as u64 * PAGE;
        let dirty = granule.dirty;
        if end > populated {
            let to = end.next_multiple_of(POPULATE_PAGES).min(GRANULE_PAGES);
            granule.populated = to as u16;
            let from = index as u64 * GRANULE + populated as u64 * PAGE;
            self.machine.populate(from, (to - populated) as u64 * PAGE);
        }
        if dirty {
            self.idle = self.idle.saturating_sub(count);
            self.machine.zero(address, count as u64 * PAGE);
        }
        Some(address)
    }

    /// `count` pages in one piece, over which a file will be mapped.
    pub fn allocate_file_pages(&mut self, count: usize) -> Option<u64> {
        if count == 0 {
            return None;
        }
        if count <= GRANULE_PAGES {
            let (index, page) = self.take_pages(count, Use::FilePages)?;
            return Some(index as u64 * GRANULE + page as u64 * PAGE);
        }
        let granules = count.div_ceil(GRANULE_PAGES);
        let first = self.take_granules(granules)?;
        let mut left = count;
        for granule in &mut self.granules[first..first + granules] {
            *granule = Granule {
                usage: Use::FilePages,
                ..Granule::FREE
            };
            for page in 0..left.min(GRANULE_PAGES) {
                granule.mark(page, true);
            }
            granule.used = left.min(GRANULE_PAGES) as u16;
            left -= usize::from(granule.used);
        }
        Some(first as u64 * GRANULE)
    }

    /// Gives granules back to the host.
    pub fn free_granules(&mut self, address: u64, count: usize) {
        let first = (address / GRANULE) as usize;
        debug_assert!(first + count <= self.present);
        for granule in &mut self.granules[first..first + count] {
            debug_assert_eq!(granule.usage, Use::Whole);
            *granule = Granule::FREE;
        }
        self.next_free = self.next_free.min(first);
        self.machine.discard(address, count as u64 * GRANULE);
    }

    /// Makes single pages of a granule that was given out whole, all of them in use.
    pub fn split(&mut self, address: u64) {
        let granule = &mut self.granules[(address / GRANULE) as usize];
        debug_assert_eq!(granule.usage, Use::Whole);
        *granule = Granule {
            usage: Use::Pages,
            used: GRANULE_PAGES as u16,
            populated: GRANULE_PAGES as u16,
            dirty: true,
            bits: [u64::MAX; GRANULE_PAGES / 64],
        };
        self.in_use += GRANULE_PAGES;
    }

    /// Takes back pages of [`Physical::allocate_pages`], [`Physical::split`], or
    /// [`Physical::allocate_file_pages`] (no file may be mapped over them any more).
    pub fn free_pages(&mut self, address: u64, count: usize) {
        let index = (address / GRANULE) as usize;
        let page = (address % GRANULE / PAGE) as usize;
        let granule = &mut self.granules[index];
        debug_assert!(matches!(granule.usage, Use::Pages | Use::FilePages));
        for at in page..page + count {
            debug_assert!(granule.is_used(at));
            granule.mark(at, false);
        }
        granule.used -= count as u16;
        granule.dirty = true;
        let had_memory = granule.usage == Use::Pages;
        let unused = granule.used == 0 && index != self.current;
        if unused {
            *granule = Granule::FREE;
            self.next_free = self.next_free.min(index);
        }
        if had_memory {
            self.in_use -= count;
            if unused {
                self.idle = self.idle.saturating_sub(GRANULE_PAGES - count);
                self.machine.discard(index as u64 * GRANULE, GRANULE);
            } else {
                self.idle += count;
            }
        }
        if self.idle > IDLE_PAGES + self.in_use / IDLE_SHARE {
            self.give_back();
        }
    }

    /// Gives the memory of all free pages back to the host, where other pages of their granule are in use.
    fn give_back(&mut self) {
        self.idle = 0;
        for index in 0..self.present {
            let granule = &mut self.granules[index];
            if granule.usage != Use::Pages || !granule.dirty {
                continue;
            }
            // Whatever is free is zero now.
            granule.dirty = false;
            granule.populated = 0;
            let mut page = 0;
            while page < GRANULE_PAGES {
                let first = page;
                while page < GRANULE_PAGES && !self.granules[index].is_used(page) {
                    page += 1;
                }
                if page > first {
                    let address = index as u64 * GRANULE + first as u64 * PAGE;
                    self.machine.discard(address, (page - first) as u64 * PAGE);
                }
                page += 1;
            }
        }
    }

    /// Finds `count` free pages in a granule of that use and marks them as used.
    fn take_pages(&mut self, count: usize, usage: Use) -> Option<(usize, usize)> {
        let (index, page) = self.find_pages(count, usage)?;
        let granule = &mut self.granules[index];
        for at in page..page + count {
            granule.mark(at, true);
        }
        granule.used += count as u16;
        Some((index, page))
    }

    fn find_pages(&mut self, count: usize, usage: Use) -> Option<(usize, usize)> {
        let current = self.current;
        if self.is(current, usage) {
            if let Some(page) = self.granules[current].find(count) {
                return Some((current, page));
            }
        }
        for index in 0..self.present {
            if self.is(index, usage) {
                if let Some(page) = self.granules[index].find(count) {
                    self.current = index;
                    return Some((index, page));
                }
            }
        }
        let index = self.take_granules(1)?;
        self.granules[index] = Granule {
            usage,
            ..Granule::FREE
        };
        self.current = index;
        Some((index, 0))
    }

    fn is(&self, index: usize, usage: Use) -> bool {
        index < self.present && self.granules[index].usage == usage
    }

    /// Finds free granules in one piece, growing memory if there are none.
    fn take_granules(&mut self, count: usize) -> Option<usize> {
        loop {
            let mut run = 0;
            for index in self.next_free..self.present {
                run = if self.granules[index].usage == Use::Free {
                    run + 1
                } else {
                    0
                };
                if run == count {
                    let first = index + 1 - count;
                    if first == self.next_free {
                        self.next_free = index + 1;
                    }
                    return Some(first);
                }
            }
            // The free granules at the end count towards the new piece.
            let wanted = (self.present - run + count) as u64 * GRANULE;
            if wanted > self.granules.len() as u64 * GRANULE {
                return None;
            }
            let bytes = self.machine.grow(wanted)?;
            let present = ((bytes / GRANULE) as usize).min(self.granules.len());
            if present <= self.present {
                return None;
            }
            self.present = present;
        }
    }

    fn clean(&mut self, index: usize) {
        if core::mem::take(&mut self.granules[index].dirty) {
            self.machine.zero(index as u64 * GRANULE, GRANULE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::RefCell;

    struct Host {
        limit: u64,
        discarded: RefCell<Vec<(u64, u64)>>,
    }

    impl Machine for Host {
        fn grow(&self, bytes: u64) -> Option<u64> {
            (bytes <= self.limit).then_some(bytes)
        }
        fn populate(&self, _: u64, _: u64) {}
        fn discard(&self, address: u64, bytes: u64) {
            self.discarded.borrow_mut().push((address, bytes));
        }
        fn zero(&self, _: u64, _: u64) {}
    }

    fn physical(granules: usize, present: usize) -> Physical<Host> {
        let host = Box::leak(Box::new(Host {
            limit: granules as u64 * GRANULE,
            discarded: RefCell::default(),
        }));
        let table = Box::leak(vec![Granule::FREE; granules].into_boxed_slice());
        Physical::new(host, table, present as u64 * GRANULE, GRANULE)
    }

    #[test]
    fn pages_are_distinct_and_come_back() {
        let mut physical = physical(4, 2);
        let mut pages: Vec<u64> = (0..GRANULE_PAGES * 3)
            .map(|_| physical.allocate_pages(1).unwrap())
            .collect();
        assert_eq!(physical.allocate_pages(1), None);
        pages.sort_unstable();
        pages.dedup();
        assert_eq!(pages.len(), GRANULE_PAGES * 3);
        assert!(pages[0] >= GRANULE);
        for page in pages {
            physical.free_pages(page, 1);
        }
        assert!(physical.allocate_granules(2).is_some());
    }

    #[test]
    fn runs_of_granules_grow_memory() {
        let mut physical = physical(16, 2);
        let first = physical.allocate_granules(1).unwrap();
        let many = physical.allocate_granules(5).unwrap();
        assert!(many > first);
        physical.free_granules(many, 5);
        assert_eq!(
            physical.machine.discarded.borrow().as_slice(),
            &[(many, 5 * GRANULE)]
        );
        assert_eq!(physical.allocate_granules(5), Some(many));
        assert_eq!(physical.allocate_granules(16), None);
    }

    #[test]
    fn free_pages_between_used_ones_go_back_to_the_host() {
        let mut physical = physical(8, 8);
        let pages: Vec<u64> = (0..GRANULE_PAGES * 4)
            .map(|_| physical.allocate_pages(1).unwrap())
            .collect();
        let (kept, freed): (Vec<&u64>, Vec<&u64>) =
            pages.iter().partition(|page| **page % GRANULE < 8 * PAGE);
        for page in &freed {
            physical.free_pages(**page, 1);
        }
        let discarded: u64 = physical
            .machine
            .discarded
            .borrow()
            .iter()
            .map(|(_, bytes)| bytes)
            .sum();
        assert!(discarded >= (freed.len() - 2 * IDLE_PAGES) as u64 * PAGE);
        for (address, bytes) in physical.machine.discarded.borrow().iter() {
            let range = *address..address + bytes;
            assert!(!kept.iter().any(|page| range.contains(page)));
        }
        assert_eq!(physical.in_use, kept.len());
    }

    #[test]
    fn a_split_granule_is_freed_by_pages() {
        let mut physical = physical(4, 4);
        let granule = physical.allocate_granules(1).unwrap();
        physical.split(granule);
        physical.free_pages(granule, 256);
        physical.free_pages(granule + 256 * PAGE, 256);
        assert_eq!(physical.machine.discarded.borrow().len(), 1);
        assert_eq!(physical.allocate_granules(3), Some(GRANULE));
    }
}
