//! How many pages a fault fills, and of which size: faults are dear, memory is not to be wasted.

use pinion_abi::layout::{GRANULE, PAGE};

use super::areas::{Area, Backing};
use super::memory::{self, KernelPages};
use super::space::{rights, AddressSpace, Fault};
use super::table;

/// Pages that a first fault in an area fills; it doubles with each further fault.
const FIRST_STEP: u64 = 16;
const LARGEST_STEP: u64 = 128;
/// As many, from its end down, where the first fault in a large area is near its end: it is a thread's stack.
/// The C library keeps so much when the thread ends, and gives the rest back (MADV_DONTNEED), which is
/// dear where it has any pages.
const STACK_STEP: u64 = 4;
/// An area this large gets large pages at its first fault.
const SURELY_LARGE: u64 = 16 * GRANULE;
/// The largest run of large pages that one fault maps is 2 to this power.
const LARGEST_RUN: u32 = 3;
/// Faults after which any area gets large pages where they fit.
const MANY_FAULTS: u32 = 6;

impl AddressSpace {
    /// Gives pages to the neighbourhood of `address`, in one large page or a step of small ones.
    pub(super) fn fill(&mut self, area: &Area, address: u64) -> Result<(), Fault> {
        let block = address & !(GRANULE - 1);
        let fits = area.start <= block && block + GRANULE <= area.end;
        let wants = area.end - area.start >= SURELY_LARGE || area.faults >= MANY_FAULTS;
        if fits && wants && area.backing == Backing::Anonymous && self.fill_large(area, block) {
            return Ok(());
        }
        let step = (FIRST_STEP << area.faults.min(8)).min(LARGEST_STEP) * PAGE;
        let from_end = area.end - (address & !(PAGE - 1));
        let (start, end) = if area.faults == 0
            && from_end <= STACK_STEP * PAGE
            && area.end - area.start > FIRST_STEP * PAGE
        {
            (area.end - STACK_STEP * PAGE, area.end)
        } else if area.backing == Backing::Stack {
            // A stack grows down: fill below the address.
            (
                (address & !(PAGE - 1)).saturating_sub(step / 2),
                (address & !(PAGE - 1)) + PAGE,
            )
        } else {
            (address & !(step - 1), (address & !(step - 1)) + step)
        };
        let start = start.max(area.start);
        let end = end.min(area.end);
        self.fill_pages(start, end, area.protection, address & !(PAGE - 1))
    }

    /// Maps granules from `block` on where no page is yet, with large pages in the host too. Several
    /// at once, as faults are dear.
    fn fill_large(&mut self, area: &Area, block: u64) -> bool {
        let most = 1u64 << area.faults.min(LARGEST_RUN);
        let mut count = 0;
        while count < most {
            let at = block + count * GRANULE;
            if at + GRANULE > area.end || !self.has_room(at) {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return false;
        }
        let granules = match memory::allocate_granules(count as usize) {
            Some(granules) => granules,
            None => {
                count = 1;
                let Some(granule) = memory::allocate_granules(1) else {
                    return false;
                };
                granule
            }
        };
        memory::use_large_pages(granules, count * GRANULE);
        for index in 0..count {
            let at = block + index * GRANULE;
            let physical = granules + index * GRANULE;
            match table::make(&mut KernelPages, memory::root(), at, GRANULE) {
                Some(leaf) => leaf.set(physical | rights(area.protection) | table::LARGE),
                None => {
                    // No memory for a table: what is mapped so far is enough if it is any.
                    memory::free_granules(physical, (count - index) as usize);
                    return index > 0;
                }
            }
        }
        true
    }

    /// Whether a large page can be mapped at `block`: no table of small ones stands there.
    fn has_room(&self, block: u64) -> bool {
        match table::find(&KernelPages, memory::root(), block) {
            Some(leaf) => leaf.bytes == GRANULE && !table::has_page(leaf.get()),
            None => table::skip(&KernelPages, memory::root(), block) >= block + GRANULE,
        }
    }

    /// Gives each page of `start..end` that has none a page; `needed` must get one.
    pub fn fill_pages(
        &mut self,
        start: u64,
        end: u64,
        protection: u32,
        needed: u64,
    ) -> Result<(), Fault> {
        let mut at = start;
        while at < end {
            let leaf = match table::find(&KernelPages, memory::root(), at) {
                Some(leaf) => leaf,
                None => table::make(&mut KernelPages, memory::root(), at, PAGE)
                    .ok_or(Fault::NoMemory)?,
            };
            if !table::has_page(leaf.get()) {
                match memory::allocate_pages(1) {
                    Some(page) => leaf.set(page | rights(protection)),
                    None if at > needed => return Ok(()),
                    None => return Err(Fault::NoMemory),
                }
            }
            at = (at / leaf.bytes + 1) * leaf.bytes;
        }
        Ok(())
    }
}
