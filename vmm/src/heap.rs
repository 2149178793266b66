//! The heap is the C library's. What differs is its end: a guest can use up what the host allows its
//! monitor (mappings, for one), and then the monitor shall die as of the host's out-of-memory
//! killer, not by an abort in the middle of a request.

use std::alloc::{GlobalAlloc, Layout, System};

use crate::exit::{end_as, ExitStatus};

struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

fn checked(memory: *mut u8) -> *mut u8 {
    if memory.is_null() {
        const TEXT: &[u8] = b"pinion-vmm: out of memory\n";
        // SAFETY: writes a text; who cannot be told is not told.
        unsafe { libc::write(2, TEXT.as_ptr().cast(), TEXT.len()) };
        end_as(ExitStatus::Signal(libc::SIGKILL));
    }
    memory
}

// SAFETY: all is the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is the callee's.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as above.
        checked(unsafe { System.realloc(memory, layout, bytes) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}
