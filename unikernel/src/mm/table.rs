//! Page tables (Intel SDM 3A, 4.5), written by the guest only: under kvm_pvm a store of the host
//! into a live entry stays unseen.

use pinion_abi::layout::{GRANULE, PAGE};

pub const PRESENT: u64 = 1;
pub const WRITE: u64 = 1 << 1;
pub const USER: u64 = 1 << 2;
pub const ACCESSED: u64 = 1 << 5;
pub const DIRTY: u64 = 1 << 6;
pub const LARGE: u64 = 1 << 7;
/// Ours: an entry that is not present but has its page (its protection is PROT_NONE).
pub const KEPT: u64 = pinion_abi::portrait::KEPT;
/// Ours: the page is not the allocator's (the vDSO's).
pub const FOREIGN: u64 = 1 << 10;
/// Ours: the host maps a file over the page's memory.
pub const FILE: u64 = pinion_abi::portrait::FILE;
pub const NO_EXECUTE: u64 = 1 << 63;

const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// A page of the kernel's own.
pub const KERNEL_DATA: u64 = PRESENT | WRITE | USER | ACCESSED | DIRTY | NO_EXECUTE;

/// What a table's own entry allows; leaves decide.
const DIRECTORY: u64 = PRESENT | WRITE | USER | ACCESSED;

/// The address in an entry.
pub fn address(entry: u64) -> u64 {
    entry & ADDRESS
}

/// Whether a leaf entry has a page, present or kept.
pub fn has_page(entry: u64) -> bool {
    entry & (PRESENT | KEPT) != 0
}

/// How tables are reached and made.
pub trait Pages {
    /// Where a guest-physical page can be read and written.
    fn at(&self, physical: u64) -> *mut u64;
    /// A zeroed page for a table.
    fn allocate(&mut self) -> Option<u64>;
    /// A new entry of the top-level table, of which each vCPU has a copy.
    fn share_entry(&self, _index: usize, _value: u64) {}
}

/// One leaf entry that a walk found.
pub struct Leaf {
    /// Where the entry stands.
    pub entry: *mut u64,
    /// [`PAGE`] or [`GRANULE`].
    pub bytes: u64,
}

impl Leaf {
    pub fn get(&self) -> u64 {
        // SAFETY: `entry` was found in a table; only this vCPU's kernel writes tables, under the
        // address space's lock.
        unsafe { self.entry.read_volatile() }
    }

    pub fn set(&self, value: u64) {
        // SAFETY: as for `get`.
        unsafe { self.entry.write_volatile(value) }
    }
}

fn index(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * level) & 511) as usize
}

/// The leaf that maps `virtual_address`, if the tables down to it exist.
pub fn find(pages: &impl Pages, root: u64, virtual_address: u64) -> Option<Leaf> {
    let mut table = root;
    for level in (0..4).rev() {
        // SAFETY: `table` is a table's page, and the index is below 512.
        let entry = unsafe { pages.at(table).add(index(virtual_address, level)) };
        // SAFETY: as above.
        let value = unsafe { entry.read_volatile() };
        if level == 0 {
            return Some(Leaf { entry, bytes: PAGE });
        }
        if level == 1 && value & LARGE != 0 {
            return Some(Leaf {
                entry,
                bytes: GRANULE,
            });
        }
        if value & PRESENT == 0 {
            return None;
        }
        table = address(value);
    }
    None
}

/// The end of the stretch from `virtual_address` on that surely has no leaf, because a table is
/// missing there; `virtual_address` itself when [`find`] finds one.
pub fn skip(pages: &impl Pages, root: u64, virtual_address: u64) -> u64 {
    let mut table = root;
    for level in (1..4).rev() {
        // SAFETY: as in `find`.
        let value = unsafe {
            pages
                .at(table)
                .add(index(virtual_address, level))
                .read_volatile()
        };
        if level == 1 && value & LARGE != 0 {
            return virtual_address;
        }
        if value & PRESENT == 0 {
            let bytes = PAGE << (9 * level);
            return (virtual_address / bytes + 1) * bytes;
        }
        table = address(value);
    }
    virtual_address
}

/// The leaf entry for a page of `bytes` ([`PAGE`] or [`GRANULE`]), making tables as needed.
/// `None`: no memory for a table, or a large page is in the way of a small one.
pub fn make(pages: &mut impl Pages, root: u64, virtual_address: u64, bytes: u64) -> Option<Leaf> {
    let last = if bytes == GRANULE { 1 } else { 0 };
    let mut table = root;
    for level in (0..4).rev() {
        // SAFETY: as in `find`.
        let entry = unsafe { pages.at(table).add(index(virtual_address, level)) };
        if level == last {
            return Some(Leaf { entry, bytes });
        }
        // SAFETY: as in `find`.
        let value = unsafe { entry.read_volatile() };
        if level == 1 && value & LARGE != 0 {
            return None;
        }
        table = if value & PRESENT != 0 {
            address(value)
        } else {
            let new = pages.allocate()?;
            // SAFETY: as in `find`; the new table is complete (empty) before it is linked.
            unsafe { entry.write_volatile(new | DIRECTORY) };
            if level == 3 {
                pages.share_entry(index(virtual_address, level), new | DIRECTORY);
            }
            new
        };
    }
    None
}

/// Turns a large leaf into a table of small ones with the same rights.
pub fn split(pages: &mut impl Pages, leaf: &Leaf) -> Option<()> {
    let large = leaf.get();
    let table = pages.allocate()?;
    let rights = large & !(ADDRESS | LARGE);
    for page in 0..512 {
        let entry = (address(large) + page as u64 * PAGE) | rights;
        // SAFETY: the new table has 512 entries and nothing refers to it yet.
        unsafe { pages.at(table).add(page).write_volatile(entry) };
    }
    leaf.set(table | DIRECTORY);
    Some(())
}
