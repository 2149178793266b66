//! A list of the kernel's that the monitor reads in place ([`pinion_abi::portrait`]): entries in pages
//! that stay where they are, each used again when it is free.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use pinion_abi::portrait::Page;

pub struct Roll<E: 'static, const N: usize> {
    pages: Vec<&'static Page<E, N>>,
    /// Entries that are used no more.
    free: Vec<u32>,
    /// How many were ever used.
    used: u32,
}

impl<E: Default, const N: usize> Roll<E, N> {
    pub const fn new() -> Roll<E, N> {
        Roll {
            pages: Vec::new(),
            free: Vec::new(),
            used: 0,
        }
    }

    /// The address of the first page; 0: there is none yet.
    pub fn head(&self) -> u64 {
        self.pages.first().map_or(0, |page| address(*page))
    }

    /// An entry that nobody uses.
    pub fn take(&mut self) -> u32 {
        if let Some(index) = self.free.pop() {
            return index;
        }
        let index = self.used;
        if index as usize == self.pages.len() * N {
            let page: &'static Page<E, N> = Box::leak(Box::new(Page {
                next: 0.into(),
                entries: core::array::from_fn(|_| E::default()),
            }));
            if let Some(last) = self.pages.last() {
                last.next.store(address(page), Ordering::Release);
            }
            self.pages.push(page);
        }
        self.used += 1;
        index
    }

    /// The entry is used no more; its owner has made it say so.
    pub fn give(&mut self, index: u32) {
        self.free.push(index);
    }

    pub fn entry(&self, index: u32) -> &'static E {
        &self.pages[index as usize / N].entries[index as usize % N]
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &'static E> + '_ {
        self.pages.iter().flat_map(|page| &page.entries)
    }
}

fn address<T>(page: &T) -> u64 {
    core::ptr::from_ref(page) as u64
}
