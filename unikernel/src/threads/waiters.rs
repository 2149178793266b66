//! Who waits at which futex, under the kernel's lock.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Waiter<T> {
    thread: T,
    bits: u32,
}

/// Waiters by the address of the word they wait at, first come first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Waiters<T>(BTreeMap<u64, VecDeque<Waiter<T>>>);

impl<T> Waiters<T> {
    pub const fn new() -> Waiters<T> {
        Waiters(BTreeMap::new())
    }

    pub fn add(&mut self, word: u64, thread: T, bits: u32) {
        let waiter = Waiter { thread, bits };
        self.0.entry(word).or_default().push_back(waiter);
    }

    /// Takes the first that waits at `word` for one of the bits.
    pub fn take(&mut self, word: u64, bits: u32) -> Option<T> {
        let queue = self.0.get_mut(&word)?;
        let at = queue.iter().position(|waiter| waiter.bits & bits != 0)?;
        let waiter = queue.remove(at)?;
        if queue.is_empty() {
            self.0.remove(&word);
        }
        Some(waiter.thread)
    }

    /// Has up to `count` that wait at `word` wait at `target` from now on; returns how many.
    pub fn requeue(&mut self, word: u64, target: u64, count: u32) -> u64 {
        let mut moved = 0;
        while moved < u64::from(count) {
            let Some(waiter) = self.0.get_mut(&word).and_then(VecDeque::pop_front) else {
                break;
            };
            self.0.entry(target).or_default().push_back(waiter);
            moved += 1;
        }
        if self.0.get(&word).is_some_and(VecDeque::is_empty) {
            self.0.remove(&word);
        }
        moved
    }

    /// Takes a thread out of the queue at `word`, once. `false`: it does not stand there.
    pub fn remove_at(&mut self, word: u64, is_it: impl Fn(&T) -> bool) -> bool {
        let Some(queue) = self.0.get_mut(&word) else {
            return false;
        };
        let Some(at) = queue.iter().position(|waiter| is_it(&waiter.thread)) else {
            return false;
        };
        queue.remove(at);
        if queue.is_empty() {
            self.0.remove(&word);
        }
        true
    }

    /// Takes a thread out of every queue: a requeue may have moved it.
    pub fn remove(&mut self, is_it: impl Fn(&T) -> bool) {
        self.0.retain(|_, queue| {
            queue.retain(|waiter| !is_it(&waiter.thread));
            !queue.is_empty()
        });
    }

    /// Where anybody waits.
    pub fn words(&self) -> Vec<u64> {
        self.0.keys().copied().collect()
    }
}
