//! The kernel's heap: a free list for each power of two up to half a page, and runs of pages above.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;

use pinion_abi::layout::{GRANULE, PAGE, PHYSICAL};
use spin::Mutex;

use super::memory;

/// 16 bytes to 2 KiB.
const CLASSES: usize = 8;
const SMALLEST: usize = 16;

struct FreeLists([*mut u8; CLASSES]);

// SAFETY: the lists hold memory that nobody else uses; the mutex around them orders access.
unsafe impl Send for FreeLists {}

pub struct Heap {
    lists: Mutex<FreeLists>,
}

impl Heap {
    pub const fn new() -> Heap {
        Heap {
            lists: Mutex::new(FreeLists([null_mut(); CLASSES])),
        }
    }
}

fn class(layout: &Layout) -> Option<usize> {
    let bytes = layout
        .size()
        .max(layout.align())
        .max(SMALLEST)
        .next_power_of_two();
    let class = (bytes / SMALLEST).trailing_zeros() as usize;
    (class < CLASSES).then_some(class)
}

// SAFETY: blocks are handed out once until they are freed, are as large and aligned as their class
// or page run, and lie in the linear mapping of physical memory.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class(&layout) else {
            let bytes = layout.size().next_multiple_of(PAGE as usize) as u64;
            let address = if bytes <= GRANULE {
                memory::allocate_pages((bytes / PAGE) as usize)
            } else {
                memory::allocate_granules(bytes.div_ceil(GRANULE) as usize)
            };
            return address.map_or(null_mut(), |address| (PHYSICAL + address) as *mut u8);
        };
        let mut lists = self.lists.lock();
        let head = lists.0[class];
        if !head.is_null() {
            // SAFETY: a free block begins with the pointer to the next one.
            lists.0[class] = unsafe { head.cast::<*mut u8>().read() };
            return head;
        }
        let Some(page) = memory::allocate_pages(1) else {
            return null_mut();
        };
        let page = (PHYSICAL + page) as *mut u8;
        let bytes = SMALLEST << class;
        for offset in (bytes..PAGE as usize).step_by(bytes) {
            // SAFETY: the block lies in the page just allocated.
            unsafe {
                let block = page.add(offset);
                block.cast::<*mut u8>().write(lists.0[class]);
                lists.0[class] = block;
            }
        }
        page
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class(&layout) else {
            let address = block as u64 - PHYSICAL;
            let bytes = layout.size().next_multiple_of(PAGE as usize) as u64;
            if bytes <= GRANULE {
                memory::free_pages(address, (bytes / PAGE) as usize);
            } else {
                memory::free_granules(address, bytes.div_ceil(GRANULE) as usize);
            }
            return;
        };
        let mut lists = self.lists.lock();
        // SAFETY: the block is free now, and at least as large as a pointer.
        unsafe { block.cast::<*mut u8>().write(lists.0[class]) };
        lists.0[class] = block;
    }
}
