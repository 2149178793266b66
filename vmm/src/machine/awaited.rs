//! A child of clone(2) with CLONE_VFORK but without CLONE_VM: its parent's thread waits until it has executed
//! a program or ended. It says so in a word that the two share; no descriptor is used for that, as
//! its number would be the guest's.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pinion_abi::Errno;

use super::requests::last_errno;
use super::ticker::monotonic;
use super::{futex, server};

/// How often the parent looks whether the child lives: one that is killed says nothing (nanoseconds).
const LOOK: u64 = 5_000_000;

/// A page that both processes have, with the word at its start.
#[derive(Debug)]
pub(super) struct Word(*mut AtomicU32);

// SAFETY: the mapping is this process's, whichever thread uses it; the word is atomic.
unsafe impl Send for Word {}

/// What this process says that it has gone on with, if its parent waits for that.
static PARENT: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());

/// Children that are waited for, or will be.
#[derive(Default)]
pub(super) struct Awaited(Mutex<Vec<(libc::pid_t, Word)>>);

impl Word {
    pub fn new() -> Result<Word, Errno> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, at an address that the host chooses.
        match unsafe { libc::mmap(null_mut(), size_of::<u32>(), protection, flags, -1, 0) } {
            libc::MAP_FAILED => Err(last_errno()),
            page => Ok(Word(page.cast())),
        }
    }

    /// The calling process is the child. It keeps the page until it executes a program or ends.
    pub fn keep(self) {
        PARENT.store(self.0, Ordering::Release);
        std::mem::forget(self);
    }
}

impl Drop for Word {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's alone.
        unsafe { libc::munmap(self.0.cast(), size_of::<u32>()) };
    }
}

/// A child of fork(2) for which nobody waits yet.
pub(super) fn forget() {
    PARENT.store(null_mut(), Ordering::Release);
}

/// This process executes a program, or ends.
pub fn go_on() {
    if server::is_child() {
        // A child of vfork(2), which has this process's memory.
        return;
    }
    let word = PARENT.swap(null_mut(), Ordering::AcqRel);
    if !word.is_null() {
        // SAFETY: `keep` keeps the page mapped.
        let word = unsafe { &*word };
        word.store(1, Ordering::Release);
        futex::wake_all(word);
    }
}

impl Awaited {
    /// Keeps the list as it is, for the time of a fork(2).
    pub fn hold(&self) -> MutexGuard<'_, Vec<(libc::pid_t, Word)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for that child, once.
    pub fn wait(&self, pid: u64) -> Result<i64, Errno> {
        let word = {
            let mut all = self.hold();
            let at = all.iter().position(|(child, _)| *child as u64 == pid);
            all.swap_remove(at.ok_or(Errno::ECHILD)?).1
        };
        // SAFETY: the page is mapped until `word` is dropped.
        let gone_on = unsafe { &*word.0 };
        while gone_on.load(Ordering::Acquire) == 0 && futex::lives(pid) {
            futex::wait_among(gone_on, 0, monotonic() + LOOK);
        }
        Ok(0)
    }
}
