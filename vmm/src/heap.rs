//! The heap is the C library's. What differs is its end: a guest can use up what the host allows its
//! monitor (mappings, for one), and then the monitor shall die as of the host's out-of-memory
//! killer, not by an abort in the middle of a request.
//!
//! And a child that shares this process's memory (vfork(2)) ends anywhere, without freeing anything:
//! what it allocates comes from a piece of memory that is then given up as a whole ([`borrow`]).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

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

// SAFETY: all is the system's allocator, which keeps the contract, or the borrowed memory's: each
// block of it is handed out once, and none is used again before `Borrowed` ends.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if BORROWING.get() {
            return checked(take(layout));
        }
        // SAFETY: the caller's contract is the callee's.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if BORROWING.get() {
            let memory = checked(take(layout));
            // SAFETY: the block is that long; it may have been used before.
            unsafe { memory.write_bytes(0, layout.size()) };
            return memory;
        }
        // SAFETY: as above.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if !BORROWING.get() && !is_borrowed(memory) {
            // SAFETY: as above.
            return checked(unsafe { System.realloc(memory, layout, bytes) });
        }
        // SAFETY: the caller's contract; blocks do not overlap.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(bytes, layout.align()));
            new.copy_from_nonoverlapping(memory, layout.size().min(bytes));
            self.dealloc(memory, layout);
            new
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if !is_borrowed(memory) {
            // SAFETY: as above.
            unsafe { System.dealloc(memory, layout) }
        }
    }
}

/// Bytes of borrowed memory: what one execve(2) needs, several times over.
const BYTES: usize = 128 << 20;

thread_local! {
    /// Whether what this thread allocates is borrowed.
    static BORROWING: Cell<bool> = const { Cell::new(false) };
}

/// The memory; null until it is first needed.
static START: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static USED: AtomicUsize = AtomicUsize::new(0);

fn is_borrowed(memory: *mut u8) -> bool {
    let start = START.load(Ordering::Acquire) as usize;
    start != 0 && (memory as usize).wrapping_sub(start) < BYTES
}

fn take(layout: Layout) -> *mut u8 {
    let start = START.load(Ordering::Acquire);
    let used = USED
        .load(Ordering::Relaxed)
        .next_multiple_of(layout.align());
    match used.checked_add(layout.size()) {
        Some(end) if end <= BYTES => {
            USED.store(end, Ordering::Relaxed);
            start.wrapping_add(used)
        }
        _ => null_mut(),
    }
}

/// While it lives, what this thread allocates is borrowed; then it is gone. One thread at a time.
pub struct Borrowed(());

/// `None`: there is no memory.
pub fn borrow() -> Option<Borrowed> {
    if START.load(Ordering::Acquire).is_null() {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping, at an address that the host chooses.
        let start = unsafe { libc::mmap(null_mut(), BYTES, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        START.store(start.cast(), Ordering::Release);
    }
    BORROWING.set(true);
    Some(Borrowed(()))
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        /// More than this goes back to the host.
        const KEPT: usize = 1 << 20;
        BORROWING.set(false);
        let used = USED.swap(0, Ordering::Relaxed);
        if used > KEPT {
            let start = START.load(Ordering::Acquire);
            // SAFETY: nobody uses the memory any more.
            unsafe { libc::madvise(start.cast(), used, libc::MADV_DONTNEED) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_borrowed_is_used_again() {
        let own = vec![1u8; 100];
        let first = {
            let borrowed = borrow().unwrap();
            let mut text = vec![2u8; 10];
            text.resize(5000, 3);
            assert!(text[..10].iter().all(|byte| *byte == 2) && text[4999] == 3);
            assert!(is_borrowed(text.as_mut_ptr()));
            let zero = vec![0u64; 100];
            assert!(zero.iter().all(|word| *word == 0));
            let first = text.as_ptr() as usize;
            drop((text, zero));
            drop(borrowed);
            first
        };
        assert!(!is_borrowed(Box::leak(Box::new(1u8))));
        let _borrowed = borrow().unwrap();
        let again = Box::new([4u8; 10]);
        assert!((again.as_ptr() as usize) < first + 5000);
        assert_eq!(own, [1; 100]);
    }
}
