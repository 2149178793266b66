//! The address space of the program: areas above, page tables below.

use alloc::vec::Vec;

use pinion_abi::layout::{GRANULE, PAGE, USER_END};
use pinion_abi::Errno;
use spin::Mutex;

use super::areas::{Area, Areas, Backing, PROT_EXEC, PROT_READ, PROT_WRITE};
use super::memory::{self, KernelPages};
use super::table::{self, Leaf};
use crate::arch;

/// Why an access cannot be served: what the signal will say (sigaction(2), SIGSEGV's codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is mapped there (SEGV_MAPERR).
    Unmapped,
    /// The mapping does not allow it (SEGV_ACCERR).
    Denied,
    /// No memory is left.
    NoMemory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
    Execute,
}

impl Access {
    fn protection(self) -> u32 {
        match self {
            Access::Read => PROT_READ,
            Access::Write => PROT_WRITE,
            Access::Execute => PROT_EXEC,
        }
    }

    fn allowed(self, protection: u32) -> bool {
        match self {
            // x86 pages that can be written or executed can be read.
            Access::Read => protection != 0,
            _ => protection & self.protection() != 0,
        }
    }
}

pub struct AddressSpace {
    pub areas: Areas,
    /// The end of the program's data as the loader left it, and as brk(2) moved it.
    pub break_start: u64,
    pub break_end: u64,
    /// Where the search for free addresses begins, downwards.
    pub top: u64,
}

pub static SPACE: Mutex<AddressSpace> = Mutex::new(AddressSpace::new());

/// Pages that are no longer mapped, to be freed once no translation is left.
#[derive(Default)]
struct Freed {
    /// (address, count)
    granules: Vec<(u64, usize)>,
    /// (address, pages, whether a file is mapped over them)
    runs: Vec<(u64, usize, bool)>,
    flush: bool,
}

impl Freed {
    fn add(&mut self, leaf: &Leaf, entry: u64) {
        self.flush |= entry & table::PRESENT != 0;
        let address = table::address(entry);
        if entry & table::FOREIGN != 0 {
            return;
        }
        let file = entry & table::FILE != 0;
        if leaf.bytes == GRANULE && !file {
            match self.granules.last_mut() {
                Some((start, count)) if *start + *count as u64 * GRANULE == address => *count += 1,
                _ => self.granules.push((address, 1)),
            }
            return;
        }
        let pages = (leaf.bytes / PAGE) as usize;
        if let Some((start, count, was_file)) = self.runs.last_mut() {
            // A run stays in one granule, as the allocator wants it.
            if *start + *count as u64 * PAGE == address
                && *was_file == file
                && address % GRANULE != 0
            {
                *count += pages;
                return;
            }
        }
        self.runs.push((address, pages, file));
    }

    fn release(self) {
        if self.flush {
            arch::flush();
        }
        for (address, count) in self.granules {
            memory::free_granules(address, count);
        }
        for (address, pages, file) in self.runs {
            if file {
                memory::unmap_file(address, pages as u64 * PAGE);
            }
            memory::free_pages(address, pages);
        }
    }
}

fn populate((address, bytes): (u64, u64)) {
    if bytes > 0 {
        memory::populate(address, bytes);
    }
}

/// A leaf entry's rights for a protection.
pub(super) fn rights(protection: u32) -> u64 {
    if protection == 0 {
        return table::KEPT;
    }
    let mut bits = table::PRESENT | table::USER | table::ACCESSED | table::DIRTY;
    if protection & PROT_WRITE != 0 {
        bits |= table::WRITE;
    }
    if protection & PROT_EXEC == 0 {
        bits |= table::NO_EXECUTE;
    }
    bits
}

const RIGHTS: u64 = table::PRESENT
    | table::KEPT
    | table::USER
    | table::WRITE
    | table::ACCESSED
    | table::DIRTY
    | table::NO_EXECUTE;

impl AddressSpace {
    pub const fn new() -> AddressSpace {
        AddressSpace {
            areas: Areas::new(),
            break_start: 0,
            break_end: 0,
            top: USER_END,
        }
    }

    /// Adds an area of memory that is zero until it is written.
    pub fn map_anonymous(&mut self, start: u64, end: u64, protection: u32) {
        let backing = Backing::Anonymous;
        self.areas.insert(Area {
            start,
            end,
            protection,
            backing,
            faults: 0,
        });
    }

    /// Serves an access to `address`: fills pages, or says why not.
    pub fn fault(&mut self, address: u64, access: Access) -> Result<(), Fault> {
        let area = *self.areas.find(address).ok_or(Fault::Unmapped)?;
        if !access.allowed(area.protection) {
            return Err(Fault::Denied);
        }
        if let Some(leaf) = table::find(&KernelPages, memory::root(), address) {
            if table::has_page(leaf.get()) {
                // Filled meanwhile; or the entry is stricter than the area.
                leaf.set(leaf.get() & !RIGHTS | rights(area.protection));
                return Ok(());
            }
        }
        if matches!(area.backing, Backing::File { .. } | Backing::Kernel) {
            return Err(Fault::Unmapped);
        }
        self.areas.count_fault(address);
        self.fill(&area, address)
    }

    /// Maps `count` pages of physical memory; large pages are used where both addresses allow.
    /// `flags` are table bits such as [`table::FILE`].
    pub fn map_physical(
        &mut self,
        start: u64,
        physical: u64,
        count: usize,
        protection: u32,
        flags: u64,
    ) -> Option<()> {
        let mut page = 0;
        while page < count as u64 {
            let (at, from) = (start + page * PAGE, physical + page * PAGE);
            let large = (at | from) % GRANULE == 0 && count as u64 - page >= GRANULE / PAGE;
            let bytes = if large && self.is_empty(at, at + GRANULE) {
                GRANULE
            } else {
                PAGE
            };
            let leaf = table::make(&mut KernelPages, memory::root(), at, bytes);
            let leaf = match leaf {
                Some(leaf) if bytes == PAGE || leaf.get() & table::PRESENT == 0 => leaf,
                _ => table::make(&mut KernelPages, memory::root(), at, PAGE)?,
            };
            let size = if leaf.bytes == GRANULE {
                table::LARGE
            } else {
                0
            };
            leaf.set(from | rights(protection) | flags | size);
            page += leaf.bytes / PAGE;
        }
        Some(())
    }

    /// Asks for the memory of pages that will surely be written.
    pub fn populate(&self, start: u64, end: u64) {
        let mut run = (0, 0);
        self.each_leaf(start, end, |leaf| {
            let address = table::address(leaf.get());
            if run.0 + run.1 != address {
                populate(run);
                run = (address, 0);
            }
            run.1 += leaf.bytes;
        });
        populate(run);
    }

    fn is_empty(&self, start: u64, end: u64) -> bool {
        let mut empty = true;
        self.each_leaf(start, end, |leaf| empty &= !table::has_page(leaf.get()));
        empty
    }

    /// Calls `each` for the leaf entries of `start..end` whose tables exist. A large leaf that
    /// crosses an end is handed over whole.
    fn each_leaf(&self, start: u64, end: u64, mut each: impl FnMut(&Leaf)) {
        let mut at = start;
        while at < end {
            match table::find(&KernelPages, memory::root(), at) {
                Some(leaf) => {
                    each(&leaf);
                    at = (at / leaf.bytes + 1) * leaf.bytes;
                }
                None => at = table::skip(&KernelPages, memory::root(), at),
            }
        }
    }

    /// Splits a large page that crosses `address`.
    fn cut(&mut self, address: u64) -> Option<()> {
        if address % GRANULE == 0 {
            return Some(());
        }
        match table::find(&KernelPages, memory::root(), address) {
            Some(leaf) if leaf.bytes == GRANULE && table::has_page(leaf.get()) => {
                let entry = leaf.get();
                table::split(&mut KernelPages, &leaf)?;
                if entry & (table::FILE | table::FOREIGN) == 0 {
                    memory::split_granule(table::address(entry));
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    /// Takes away the pages of `start..end`, and the areas too if `areas`.
    fn clear(&mut self, start: u64, end: u64, areas: bool) -> Result<(), Errno> {
        self.cut(start).ok_or(Errno::ENOMEM)?;
        self.cut(end).ok_or(Errno::ENOMEM)?;
        let mut freed = Freed::default();
        self.each_leaf(start, end, |leaf| {
            let entry = leaf.get();
            if table::has_page(entry) {
                leaf.set(0);
                freed.add(leaf, entry);
            }
        });
        if areas {
            self.areas.remove(start, end, |_| ());
        }
        freed.release();
        Ok(())
    }

    /// munmap(2), without its checks of the arguments.
    pub fn unmap(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        self.clear(start, end, true)
    }

    /// Takes away areas whose pages somebody else frees.
    pub fn forget(&mut self, start: u64, end: u64) {
        self.each_leaf(start, end, |leaf| leaf.set(0));
        self.areas.remove(start, end, |_| ());
        arch::flush();
    }

    /// madvise(2) MADV_DONTNEED for private memory: the pages read as zero, or as the file, again.
    pub fn discard(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        let mut at = start;
        while at < end {
            let Some(area) = self.areas.find(at).copied() else {
                return Err(Errno::ENOMEM);
            };
            let to = area.end.min(end);
            if matches!(area.backing, Backing::Anonymous | Backing::Stack) {
                self.clear(at, to, false)?;
            }
            if matches!(area.backing, Backing::File { shared: false, .. }) {
                self.discard_copies(at, to)?;
            }
            at = to;
        }
        Ok(())
    }

    /// Gives back the copies of a file's pages that were made when they were written.
    fn discard_copies(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        self.cut(start).ok_or(Errno::ENOMEM)?;
        self.cut(end).ok_or(Errno::ENOMEM)?;
        let mut run = (0, 0);
        self.each_leaf(start, end, |leaf| {
            let address = table::address(leaf.get());
            if run.0 + run.1 != address {
                memory::discard(run.0, run.1);
                run = (address, 0);
            }
            run.1 += leaf.bytes;
        });
        memory::discard(run.0, run.1);
        Ok(())
    }

    /// mprotect(2), without its checks of the arguments; all of `start..end` is mapped.
    pub fn protect(&mut self, start: u64, end: u64, protection: u32) -> Result<(), Errno> {
        self.cut(start).ok_or(Errno::ENOMEM)?;
        self.cut(end).ok_or(Errno::ENOMEM)?;
        self.areas.protect(start, end, protection);
        let mut flush = false;
        self.each_leaf(start, end, |leaf| {
            let old = leaf.get();
            if !table::has_page(old) {
                return;
            }
            let new = old & !RIGHTS | rights(protection);
            let lost = old & table::PRESENT != 0
                && (new & table::PRESENT == 0
                    || old & table::WRITE & !new != 0
                    || new & table::NO_EXECUTE & !old != 0);
            flush |= lost;
            leaf.set(new);
        });
        if flush {
            arch::flush();
        }
        Ok(())
    }

    /// mremap(2)'s move: the pages of `from..` appear at `to..`, where nothing is mapped.
    pub fn move_pages(&mut self, from: u64, to: u64, bytes: u64) -> Result<(), Errno> {
        self.cut(from).ok_or(Errno::ENOMEM)?;
        self.cut(from + bytes).ok_or(Errno::ENOMEM)?;
        let aligned = (from | to) % GRANULE == 0;
        let mut at = from;
        while at < from + bytes {
            let Some(leaf) = table::find(&KernelPages, memory::root(), at) else {
                at = table::skip(&KernelPages, memory::root(), at);
                continue;
            };
            let entry = leaf.get();
            if leaf.bytes == GRANULE && table::has_page(entry) && !aligned {
                table::split(&mut KernelPages, &leaf).ok_or(Errno::ENOMEM)?;
                if entry & (table::FILE | table::FOREIGN) == 0 {
                    memory::split_granule(table::address(entry));
                }
                continue;
            }
            if table::has_page(entry) {
                let target = to + (at - from);
                let new = table::make(&mut KernelPages, memory::root(), target, leaf.bytes);
                let Some(new) = new.filter(|new| new.get() & table::PRESENT == 0) else {
                    table::split(&mut KernelPages, &leaf).ok_or(Errno::ENOMEM)?;
                    memory::split_granule(table::address(entry));
                    continue;
                };
                new.set(entry);
                leaf.set(0);
            }
            at = (at / leaf.bytes + 1) * leaf.bytes;
        }
        arch::flush();
        Ok(())
    }

    /// Where `address` is in physical memory, after serving an access to it, and how many bytes
    /// from there on are in one piece.
    pub fn translate(&mut self, address: u64, access: Access) -> Result<(u64, u64), Fault> {
        for _ in 0..2 {
            if let Some(leaf) = table::find(&KernelPages, memory::root(), address) {
                let entry = leaf.get();
                let writable = entry & table::WRITE != 0 || access != Access::Write;
                if entry & table::PRESENT != 0 && writable {
                    let offset = address & (leaf.bytes - 1);
                    return Ok((table::address(entry) + offset, leaf.bytes - offset));
                }
            }
            self.fault(address, access)?;
        }
        Err(Fault::Denied)
    }
}
