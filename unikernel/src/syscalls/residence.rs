//! What programs say and ask of memory that is mapped: madvise(2), msync(2), mincore(2), mlock(2).

use pinion_abi::calls::machine;
use pinion_abi::layout::PAGE;
use pinion_abi::Errno;

use super::memory::range;
use crate::arch::Frame;
use crate::channel;
use crate::mm::areas::{page_up, Backing};
use crate::mm::space::{Access, AddressSpace, SPACE};
use crate::mm::user;
use crate::text;

const MADV_NORMAL: u64 = 0;
const MADV_WILLNEED: u64 = 3;
const MADV_DONTNEED: u64 = 4;
const MADV_FREE: u64 = 8;
const MADV_REMOVE: u64 = 9;
const MADV_POPULATE_READ: u64 = 22;
const MADV_POPULATE_WRITE: u64 = 23;

pub fn madvise(frame: &mut Frame) -> Result<u64, Errno> {
    let (start, end) = range(frame.rdi, frame.rsi)?;
    let mut space = SPACE.lock();
    match frame.rdx {
        // Hints: random, sequential, huge pages, dumps, forks, sharing of equal pages, cold.
        MADV_NORMAL..=MADV_WILLNEED | 10..=21 => {
            if !space.areas.covers(start, end) {
                return Err(Errno::ENOMEM);
            }
        }
        MADV_DONTNEED | MADV_FREE => {
            text::forget(start, end);
            space.discard(start, end)?;
        }
        MADV_REMOVE => remove(&mut space, start, end)?,
        MADV_POPULATE_READ | MADV_POPULATE_WRITE => {
            let access = if frame.rdx == MADV_POPULATE_WRITE {
                Access::Write
            } else {
                Access::Read
            };
            let mut at = start;
            while at < end {
                let (_, bytes) = space.translate(at, access).map_err(|_| Errno::EFAULT)?;
                at += bytes;
            }
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// msync(2): shared mappings are the host's page cache; the monitor syncs their memory.
pub fn msync(frame: &mut Frame) -> Result<u64, Errno> {
    const MS_ASYNC: u64 = 1;
    const MS_INVALIDATE: u64 = 2;
    const MS_SYNC: u64 = 4;
    let (start, end) = range(frame.rdi, frame.rsi)?;
    let flags = frame.rdx;
    let both = flags & MS_ASYNC != 0 && flags & MS_SYNC != 0;
    if flags & !(MS_ASYNC | MS_INVALIDATE | MS_SYNC) != 0 || both {
        return Err(Errno::EINVAL);
    }
    let mut space = SPACE.lock();
    if !space.areas.covers(start, end) {
        return Err(Errno::ENOMEM);
    }
    if flags & MS_SYNC == 0 {
        return Ok(0);
    }
    let mut at = start;
    while at < end {
        let area = *space.areas.find(at).ok_or(Errno::ENOMEM)?;
        let stop = area.end.min(end);
        if matches!(area.backing, Backing::File { shared: true, .. }) {
            ask_of_each(&mut space, machine::SYNC, at, stop)?;
        }
        at = stop;
    }
    Ok(0)
}

/// Makes a request of all the memory of `start..end`, piece by piece.
fn ask_of_each(space: &mut AddressSpace, request: u32, start: u64, end: u64) -> Result<(), Errno> {
    let mut at = start;
    while at < end {
        let (physical, bytes) = space
            .translate(at, Access::Read)
            .map_err(|_| Errno::ENOMEM)?;
        let bytes = bytes.min(end - at);
        channel::result(channel::machine_call(request, [physical, bytes, 0, 0, 0]))?;
        at += bytes;
    }
    Ok(())
}

/// madvise(2), MADV_REMOVE: for shared memory that may be made writable; the host says whether the file can.
fn remove(space: &mut AddressSpace, start: u64, end: u64) -> Result<(), Errno> {
    let mut at = start;
    while at < end {
        let area = *space.areas.find(at).ok_or(Errno::ENOMEM)?;
        let stop = area.end.min(end);
        match area.backing {
            Backing::File {
                shared: true,
                writable: true,
            } => ask_of_each(space, machine::REMOVE, at, stop)?,
            Backing::File { shared: true, .. } => return Err(Errno::EACCES),
            _ => return Err(Errno::EINVAL),
        }
        at = stop;
    }
    Ok(())
}

/// mincore(2): what is mapped is in memory, as far as the program can tell.
pub fn mincore(frame: &mut Frame) -> Result<u64, Errno> {
    let (start, end) = range(frame.rdi, frame.rsi)?;
    if !SPACE.lock().areas.covers(start, end) {
        return Err(Errno::ENOMEM);
    }
    for page in 0..(end - start) / PAGE {
        user::write(frame.rdx + page, &1u8)?;
    }
    Ok(0)
}

/// Guest memory is never paged by the guest; locking only makes it present.
fn lock(start: u64, bytes: u64) -> Result<u64, Errno> {
    let end = page_up(start.checked_add(bytes).ok_or(Errno::EINVAL)?).ok_or(Errno::EINVAL)?;
    let start = start & !(PAGE - 1);
    let mut space = SPACE.lock();
    if !space.areas.covers(start, end) {
        return Err(Errno::ENOMEM);
    }
    let mut at = start;
    while at < end {
        let (_, bytes) = space
            .translate(at, Access::Read)
            .map_err(|_| Errno::ENOMEM)?;
        at += bytes;
    }
    Ok(0)
}

pub fn mlock(frame: &mut Frame) -> Result<u64, Errno> {
    lock(frame.rdi, frame.rsi)
}

/// mlock2(2): MLOCK_ONFAULT or nothing.
pub fn mlock2(frame: &mut Frame) -> Result<u64, Errno> {
    match frame.rdx {
        0 | 1 => lock(frame.rdi, frame.rsi),
        _ => Err(Errno::EINVAL),
    }
}

pub fn munlock(frame: &mut Frame) -> Result<u64, Errno> {
    let (start, end) = range(frame.rdi & !(PAGE - 1), frame.rsi)?;
    if !SPACE.lock().areas.covers(start, end) {
        return Err(Errno::ENOMEM);
    }
    Ok(0)
}

pub fn mlockall(frame: &mut Frame) -> Result<u64, Errno> {
    match frame.rdi {
        1..=7 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

pub fn munlockall(_: &mut Frame) -> Result<u64, Errno> {
    Ok(0)
}
