//! The file that was mapped last for reading. A dynamic linker maps a library whole, then its segments over that
//! (MAP_FIXED): what is there is the same pages of the same file, and only the rights to them change.

use spin::Mutex;

use super::threads::shared;
use crate::mm::areas::{Backing, PROT_READ};
use crate::mm::space::AddressSpace;

const CLOSE: u32 = 3;
const DUP2: u32 = 33;
const DUP3: u32 = 292;
const CLOSE_RANGE: u32 = 436;

#[derive(Clone, Copy)]
struct Mapped {
    start: u64,
    end: u64,
    descriptor: u64,
    offset: u64,
}

static LAST: Mutex<Option<Mapped>> = Mutex::new(None);

/// A private mapping for reading has been made.
pub fn note(start: u64, end: u64, descriptor: u64, offset: u64) {
    *LAST.lock() = (!shared::active()).then_some(Mapped {
        start,
        end,
        descriptor,
        offset,
    });
}

/// The mapping, its rights or its file are no longer known to be what they were.
pub fn forget() {
    *LAST.lock() = None;
}

/// A call is made: the descriptor may become another file's.
pub fn forget_descriptor(number: u32, args: &[u64; 6]) {
    let mut last = LAST.lock();
    let Some(mapped) = *last else { return };
    let is = |fd: u64| fd as u32 == mapped.descriptor as u32;
    let lost = match number {
        CLOSE => is(args[0]),
        DUP2 | DUP3 => is(args[1]),
        CLOSE_RANGE => true,
        _ => false,
    };
    if lost {
        *last = None;
    }
}

/// Whether `start..end` are that file's pages from `offset` on, which nobody can have written.
pub fn holds(space: &AddressSpace, start: u64, end: u64, descriptor: u64, offset: u64) -> bool {
    let Some(mapped) = *LAST.lock() else {
        return false;
    };
    let same = descriptor as u32 == mapped.descriptor as u32
        && mapped.start <= start
        && end <= mapped.end
        && mapped.offset.checked_add(start - mapped.start) == Some(offset);
    let unwritten = |start| {
        space.areas.find(start).is_some_and(|area| {
            let private = matches!(area.backing, Backing::File { shared: false, .. });
            private && area.protection == PROT_READ && end <= area.end
        })
    };
    same && !shared::active() && unwritten(start)
}
