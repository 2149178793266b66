//! The kernel's physical memory, with the monitor behind it.

use core::ptr::write_bytes;
use core::sync::atomic::{AtomicU64, Ordering};

use pinion_abi::calls::machine;
use pinion_abi::layout::{physical as at, GRANULE, PAGE, PHYSICAL};
use spin::{Mutex, MutexGuard};

use super::physical::{Granule, Machine, Physical};
use super::table::{self, Pages};
use crate::channel;
use crate::vcpus;

/// The monitor as the allocator sees it.
pub struct Monitor;

static MONITOR: Monitor = Monitor;
static ALLOCATOR: Mutex<Option<Physical<Monitor>>> = Mutex::new(None);
/// The kernel's top-level table.
static ROOT: AtomicU64 = AtomicU64::new(at::TABLES);
/// Pages that the monitor left for tables of the linear mapping.
static NEXT_TABLE: AtomicU64 = AtomicU64::new(at::TABLES + at::TABLES_BOOT * PAGE);
/// The end of the linear mapping.
static MAPPED: AtomicU64 = AtomicU64::new(0);

impl Machine for Monitor {
    fn grow(&self, bytes: u64) -> Option<u64> {
        let now = MAPPED.load(Ordering::Relaxed);
        // Few and large steps: a slot costs 0.1 ms with vCPUs running, and again in each fork.
        let wanted = bytes.max(now * 2);
        let grown = channel::machine_call(machine::GROW, [wanted, bytes, 0, 0, 0]);
        let bytes = u64::try_from(grown).ok()?;
        extend_linear_mapping(bytes)?;
        Some(bytes)
    }

    fn populate(&self, address: u64, bytes: u64) {
        // Only a matter of speed: a page without memory gets it when touched.
        let _ = channel::machine_call(machine::POPULATE, [address, bytes, 0, 0, 0]);
    }

    fn discard(&self, address: u64, bytes: u64) {
        if channel::machine_call(machine::DISCARD, [address, bytes, 0, 0, 0]) < 0 {
            self.zero(address, bytes);
        }
    }

    fn zero(&self, address: u64, bytes: u64) {
        // SAFETY: the allocator zeroes only pages which are nobody's.
        unsafe { write_bytes((PHYSICAL + address) as *mut u8, 0, bytes as usize) };
    }
}

/// Tables of the linear mapping come from the boot pages, so that growing needs no memory.
struct BootPages;

impl Pages for BootPages {
    fn at(&self, physical: u64) -> *mut u64 {
        (PHYSICAL + physical) as *mut u64
    }

    fn allocate(&mut self) -> Option<u64> {
        let page = NEXT_TABLE.fetch_add(PAGE, Ordering::Relaxed);
        (page < at::TABLES + at::TABLES_PAGES * PAGE).then_some(page)
    }
}

fn extend_linear_mapping(bytes: u64) -> Option<()> {
    let root = ROOT.load(Ordering::Relaxed);
    let mut address = MAPPED.load(Ordering::Relaxed);
    while address < bytes {
        let leaf = table::make(&mut BootPages, root, PHYSICAL + address, GRANULE)?;
        leaf.set(address | table::KERNEL_DATA | table::LARGE);
        address += GRANULE;
    }
    MAPPED.store(bytes, Ordering::Relaxed);
    Some(())
}

/// Takes over the memory that the monitor set up.
///
/// # Safety
/// Called once, before anything is allocated.
pub unsafe fn start(memory_bytes: u64, memory_limit: u64) {
    MAPPED.store(memory_bytes, Ordering::Relaxed);
    let granules = (memory_limit / GRANULE) as usize;
    let table_bytes = (granules * size_of::<Granule>()) as u64;
    // The table of granules follows the boot memory; its pages are zero, and zero is Use::Free.
    let table = (PHYSICAL + at::BOOT_END) as *mut Granule;
    // SAFETY: the monitor's first memory holds the table (see machine::memory), nobody else uses
    // it, and `Granule` is valid when all its bytes are zero.
    let granules = unsafe { core::slice::from_raw_parts_mut(table, granules) };
    let first = at::BOOT_END + table_bytes;
    *ALLOCATOR.lock() = Some(Physical::new(&MONITOR, granules, memory_bytes, first));
}

fn allocator() -> MutexGuard<'static, Option<Physical<Monitor>>> {
    ALLOCATOR.lock()
}

pub fn allocate_pages(count: usize) -> Option<u64> {
    allocator().as_mut()?.allocate_pages(count)
}

/// Pages over which the host shall map a file: they have no memory of their own.
pub fn allocate_file_pages(count: usize) -> Option<u64> {
    allocator().as_mut()?.allocate_file_pages(count)
}

pub fn allocate_granules(count: usize) -> Option<u64> {
    allocator().as_mut()?.allocate_granules(count)
}

pub fn free_pages(address: u64, count: usize) {
    if let Some(physical) = allocator().as_mut() {
        physical.free_pages(address, count);
    }
}

pub fn free_granules(address: u64, count: usize) {
    if let Some(physical) = allocator().as_mut() {
        physical.free_granules(address, count);
    }
}

/// Makes a granule's pages free to be given back singly.
pub fn split_granule(address: u64) {
    if let Some(physical) = allocator().as_mut() {
        physical.split(address);
    }
}

/// The kernel's access to tables: the linear mapping.
pub struct KernelPages;

impl Pages for KernelPages {
    fn at(&self, physical: u64) -> *mut u64 {
        (PHYSICAL + physical) as *mut u64
    }

    fn allocate(&mut self) -> Option<u64> {
        allocate_pages(1)
    }

    fn share_entry(&self, index: usize, value: u64) {
        vcpus::share_entry(index, value);
    }
}

/// Takes away the file that the host maps over these pages.
pub fn unmap_file(address: u64, bytes: u64) {
    // Should it fail, the pages still are no memory: they are given out for files only.
    let _ = channel::machine_call(machine::UNMAP_FILE, [address, bytes, 0, 0, 0]);
}

/// Asks for large pages in the host, which are given at the first touch.
pub fn use_large_pages(address: u64, bytes: u64) {
    let _ = channel::machine_call(machine::LARGE, [address, bytes, 0, 0, 0]);
}

/// A writable part of a file up to this size, of a program or a library, gets its pages at once: it will be written.
pub const SURELY_WRITTEN: u64 = 8 << 20;

/// Asks for the memory of pages that will surely be touched.
pub fn populate(address: u64, bytes: u64) {
    MONITOR.populate(address, bytes);
}

/// Gives the memory of these pages back to the host: they read as zero, or as their file.
pub fn discard(address: u64, bytes: u64) {
    if bytes > 0 {
        // An error leaves what was there, which is what the file's pages may be.
        let _ = channel::machine_call(machine::DISCARD, [address, bytes, 0, 0, 0]);
    }
}

/// The top-level table of vCPU 0.
pub fn root() -> u64 {
    ROOT.load(Ordering::Relaxed)
}
