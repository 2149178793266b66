//! Who holds a word that is a lock, and what becomes of it when the holder ends (robust futexes:
//! Documentation/locking/robust-futexes.rst, get_robust_list(2)).

use core::sync::atomic::Ordering;

use pinion_abi::Errno;

use super::word::Word;
use super::{ANY, FOR_LOCKS};
use crate::mm::user;
use crate::threads::{current, ids, scheduler};

/// The parts of such a word.
pub const WAITERS: u32 = 0x8000_0000;
pub const OWNER_DIED: u32 = 0x4000_0000;
pub const ID: u32 = 0x3fff_ffff;

/// The most locks of a list (ROBUST_LIST_LIMIT).
const MOST: usize = 2048;

/// The process that holds the word at `address`, if that is a robust lock which the running thread is
/// about to take: its list says so (list_op_pending).
pub fn of_robust(address: u64, value: u32) -> Option<u32> {
    let head = current().robust_list.load(Ordering::Relaxed);
    if head == 0 || value & ID == 0 {
        return None;
    }
    let [_, offset, pending]: [u64; 3] = user::read(head).ok()?;
    let taken = pending != 0 && (pending & !1).wrapping_add(offset) == address;
    taken.then(|| ids::process(value & ID)).flatten()
}

/// What the running thread holds is marked and handed on.
pub fn release() {
    let thread = current();
    release_list(thread.robust_list.load(Ordering::Relaxed), thread.id());
    // Locks that are not in the list, but others wait for them.
    let words = FOR_LOCKS.lock().words();
    for word in words {
        let _ = abandon(word, thread.id());
    }
}

/// The same for all threads: the process ends.
pub fn release_all() {
    let lists = scheduler::fold(alloc::vec::Vec::new(), |mut lists, thread| {
        lists.push((thread.robust_list.load(Ordering::Relaxed), thread.id()));
        lists
    });
    for (list, id) in lists {
        release_list(list, id);
    }
}

/// Whether a list of the process's threads names a lock.
pub fn holds_any() -> bool {
    scheduler::fold(false, |any, thread| {
        let head = thread.robust_list.load(Ordering::Relaxed);
        let list = || user::read::<[u64; 3]>(head).ok();
        let named = |[first, _, pending]: [u64; 3]| first & !1 != head || pending != 0;
        any || head != 0 && list().is_some_and(named)
    })
}

fn release_list(head: u64, id: u32) {
    if head != 0 {
        // A list that cannot be read ends there, as in Linux.
        let _ = walk(head, id);
    }
}

fn walk(head: u64, id: u32) -> Result<(), Errno> {
    let [first, offset, pending]: [u64; 3] = user::read(head)?;
    let mut entry = first;
    for _ in 0..MOST {
        if entry & !1 == head {
            break;
        }
        let next: u64 = user::read(entry & !1)?;
        if entry & !1 != pending & !1 {
            abandon((entry & !1).wrapping_add(offset), id)?;
        }
        entry = next;
    }
    if pending != 0 {
        let word = (pending & !1).wrapping_add(offset);
        // It may have ended between giving the lock back and waking who waits for it.
        if user::read::<u32>(word)? & ID == 0 && pending & 1 == 0 {
            Word::find(word, false)?.wake(1, ANY)?;
        }
        abandon(word, id)?;
    }
    Ok(())
}

/// Marks the lock, if `id` holds it, as left by an owner that died, and wakes one who waits for it.
pub fn abandon(address: u64, id: u32) -> Result<(), Errno> {
    let held = |value: u32| value & ID == id;
    let value = user::update(address, |value| match held(value) {
        true => value & WAITERS | OWNER_DIED,
        false => value,
    })?;
    if held(value) && value & WAITERS != 0 {
        let word = Word::find(address, false)?;
        word.wake(1, ANY)?;
        word.wake_for_lock()?;
    }
    Ok(())
}
