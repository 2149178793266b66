//! Reading and writing.
//!
//! What can block is tried with RWF_NOWAIT while it may not. A blocking write(2) writes everything, so
//! when only a part went through without blocking, the rest is done by the call that may block:
//! [`Unfinished`] remembers how much is done.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pinion_abi::Errno;

use super::descriptors::Kind;
use super::procfs::{self, Access};
use super::sockets::transfer::interrupted;
use super::sys::{self, Failure, Outcome};
use super::{Call, Service};

/// preadv2(2)'s offset that stands for the file's own position.
const CURRENT: u64 = u64::MAX;
const NOWAIT: u64 = libc::RWF_NOWAIT as u64;

/// Writes of which a part is done, by the slot of the request.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    count: AtomicUsize,
    writes: Mutex<Vec<(usize, usize)>>,
}

/// What a fork(2) holds of it.
pub(super) struct Held<'a> {
    of: &'a Unfinished,
    writes: MutexGuard<'a, Vec<(usize, usize)>>,
}

impl Held<'_> {
    /// In a new process nothing is under way.
    pub fn reset(mut self) {
        self.writes.clear();
        self.of.count.store(0, Ordering::Release);
    }
}

impl Unfinished {
    pub fn hold(&self) -> Held<'_> {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        Held { of: self, writes }
    }

    pub fn add(&self, slot: usize, done: usize) {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        writes.retain(|(of, _)| *of != slot);
        writes.push((slot, done));
        self.count.store(writes.len(), Ordering::Release);
    }

    /// Whether a part of the slot's write is done: the rest is for who may block.
    pub fn holds(&self, slot: usize) -> bool {
        self.count.load(Ordering::Acquire) != 0 && {
            let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
            writes.iter().any(|(of, _)| *of == slot)
        }
    }

    pub fn take(&self, slot: usize) -> usize {
        if self.count.load(Ordering::Acquire) == 0 {
            return 0;
        }
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let done = writes
            .iter()
            .find(|(of, _)| *of == slot)
            .map_or(0, |(_, done)| *done);
        writes.retain(|(of, _)| *of != slot);
        self.count.store(writes.len(), Ordering::Release);
        done
    }
}

impl Service {
    /// What is known of a descriptor, after a look at it if need be.
    fn kind(&self, fd: RawFd) -> Result<Kind, Errno> {
        let known = self.table.kind(fd);
        if known != Kind::Unknown {
            return Ok(known);
        }
        let kind = match Kind::of(&sys::describe(fd)?) {
            Kind::Regular if sys::is_proc(fd)? => match self.proc_access(fd) {
                Ok(Access::File(kind)) => kind,
                _ => Kind::Other,
            },
            kind => kind,
        };
        self.table.learn(fd, kind);
        Ok(kind)
    }
}

/// Makes one of preadv2(2) and pwritev2(2).
fn transfer(
    number: i64,
    fd: RawFd,
    vector: &[libc::iovec],
    offset: u64,
    flags: u64,
) -> Result<i64, Errno> {
    let args = [
        sys::word(fd),
        vector.as_ptr() as u64,
        vector.len() as u64,
        offset,
        0,
        flags,
    ];
    // SAFETY: every piece lies in the guest's memory (`Decoder::segments`), to which nothing here
    // holds a reference.
    match unsafe { sys::call(number, args) } {
        Err(Errno::EINTR) => Err(interrupted(fd, number == libc::SYS_pwritev2)),
        other => other,
    }
}

pub(super) fn nonblocking(fd: RawFd) -> bool {
    sys::fcntl(fd, libc::F_GETFL, 0).is_ok_and(|flags| flags & i64::from(libc::O_NONBLOCK) != 0)
}

/// Reads into the guest's memory.
fn read_at(call: &Call, offset: u64, flags: u64) -> Outcome {
    let (fd, vector) = (call.args.fd(0), call.args.memory(1));
    let plain = call.may_block || flags & NOWAIT != 0;
    if plain || call.service.kind(fd)? != Kind::Other {
        return Ok(transfer(libc::SYS_preadv2, fd, vector, offset, flags)?);
    }
    match transfer(libc::SYS_preadv2, fd, vector, offset, flags | NOWAIT) {
        Err(Errno::EAGAIN) if nonblocking(fd) => Err(Errno::EAGAIN.into()),
        Err(Errno::EAGAIN | Errno::EOPNOTSUPP) => Err(Failure::WouldBlock),
        other => Ok(other?),
    }
}

/// Writes from the guest's memory.
fn write_at(call: &Call, offset: u64, flags: u64) -> Outcome {
    let (fd, vector) = (call.args.fd(0), call.args.memory(1));
    let service = call.service;
    if call.may_block {
        let done = service.unfinished.take(call.slot.identity());
        if done == 0 {
            return Ok(transfer(libc::SYS_pwritev2, fd, vector, offset, flags)?);
        }
        let rest = skip(vector, done);
        return match transfer(libc::SYS_pwritev2, fd, &rest, offset, flags) {
            Ok(bytes) => Ok(bytes + done as i64),
            // What is written is written: the error comes with the next call, as on Linux.
            Err(_) => Ok(done as i64),
        };
    }
    if flags & NOWAIT != 0 || service.kind(fd)? != Kind::Other {
        return Ok(transfer(libc::SYS_pwritev2, fd, vector, offset, flags)?);
    }
    if service.unfinished.holds(call.slot.identity()) {
        return Err(Failure::WouldBlock);
    }
    match transfer(libc::SYS_pwritev2, fd, vector, offset, flags | NOWAIT) {
        Ok(done) if (done as usize) < length(vector) && !nonblocking(fd) => {
            service.unfinished.add(call.slot.identity(), done as usize);
            Err(Failure::WouldBlock)
        }
        Err(Errno::EAGAIN) if nonblocking(fd) => Err(Errno::EAGAIN.into()),
        Err(Errno::EAGAIN | Errno::EOPNOTSUPP) => Err(Failure::WouldBlock),
        other => Ok(other?),
    }
}

pub(super) fn length(vector: &[libc::iovec]) -> usize {
    vector
        .iter()
        .fold(0, |sum, piece| sum.saturating_add(piece.iov_len))
}

/// The pieces without their first bytes.
pub(super) fn skip(vector: &[libc::iovec], mut bytes: usize) -> Vec<libc::iovec> {
    let mut rest = Vec::with_capacity(vector.len());
    for piece in vector {
        let cut = bytes.min(piece.iov_len);
        bytes -= cut;
        if cut < piece.iov_len {
            let iov_base = piece.iov_base.cast::<u8>().wrapping_add(cut).cast();
            rest.push(libc::iovec {
                iov_base,
                iov_len: piece.iov_len - cut,
            });
        }
    }
    rest
}

/// read(2), readv(2).
pub(super) fn read(call: &mut Call) -> Outcome {
    read_at(call, CURRENT, 0)
}

/// write(2), writev(2).
pub(super) fn write(call: &mut Call) -> Outcome {
    write_at(call, CURRENT, 0)
}

/// pread64(2), preadv(2).
pub(super) fn pread(call: &mut Call) -> Outcome {
    let offset = positioned(call)?;
    Ok(transfer(
        libc::SYS_preadv,
        call.args.fd(0),
        call.args.memory(1),
        offset,
        0,
    )?)
}

/// pwrite64(2), pwritev(2).
pub(super) fn pwrite(call: &mut Call) -> Outcome {
    let offset = positioned(call)?;
    Ok(transfer(
        libc::SYS_pwritev,
        call.args.fd(0),
        call.args.memory(1),
        offset,
        0,
    )?)
}

fn positioned(call: &Call) -> Result<u64, Errno> {
    let offset = call.args.number(3);
    i64::try_from(offset).map_err(|_| Errno::EINVAL)?;
    Ok(offset)
}

/// preadv2(2).
pub(super) fn preadv2(call: &mut Call) -> Outcome {
    read_at(call, call.args.number(3), call.args.number(5))
}

/// pwritev2(2).
pub(super) fn pwritev2(call: &mut Call) -> Outcome {
    write_at(call, call.args.number(3), call.args.number(5))
}

/// getdents(2): a name stands one byte before where getdents64(2) has it, and the type behind it.
pub(super) fn getdents(call: &mut Call) -> Outcome {
    const TYPE: usize = 18;
    let bytes = getdents64(call)?;
    let mut entries = call.args.data(1)?.as_mut_slice();
    entries = &mut entries[..bytes as usize];
    while entries.len() > TYPE {
        let length = usize::from(u16::from_ne_bytes([entries[16], entries[17]]));
        let (entry, rest) = entries.split_at_mut(length.clamp(TYPE + 1, entries.len()));
        let kind = entry[TYPE];
        entry.copy_within(TYPE + 1.., TYPE);
        if let Some(last) = entry.last_mut() {
            *last = kind;
        }
        entries = rest;
    }
    Ok(bytes)
}

/// vmsplice(2) into a pipe. Out of one it would have to know of the memory that it is written.
pub(super) fn vmsplice(call: &mut Call) -> Outcome {
    let fd = call.args.fd(0);
    let mode = sys::fcntl(fd, libc::F_GETFL, 0)? as i32 & libc::O_ACCMODE;
    if mode == libc::O_RDONLY {
        return Err(Errno::ENOSYS.into());
    }
    let vector = call.args.memory(1);
    let args = [
        sys::word(fd),
        vector.as_ptr() as u64,
        vector.len() as u64,
        call.args.number(3),
        0,
        0,
    ];
    // SAFETY: as in `transfer`.
    Ok(unsafe { sys::call(libc::SYS_vmsplice, args) }?)
}

/// getdents64(2).
pub(super) fn getdents64(call: &mut Call) -> Outcome {
    let fd = call.args.fd(0);
    let service = call.service;
    let listing = service.kind(fd)? == Kind::Listing;
    let entries = call.args.data(1)?;
    if let Some(names) = listing.then(|| service.listed(fd)).transpose()?.flatten() {
        // The host's directory keeps the place in ours.
        let at = sys::seek(fd, 0, libc::SEEK_CUR)?;
        let (bytes, next) = procfs::entries(&names, at as usize, entries);
        if bytes == 0 && next < names.len() + 2 {
            return Err(Errno::EINVAL.into());
        }
        sys::seek(fd, next as i64, libc::SEEK_SET)?;
        return Ok(bytes as i64);
    }
    loop {
        let bytes = sys::getdents(fd, entries)?;
        if bytes == 0 || !listing {
            return Ok(bytes as i64);
        }
        let visible = |name: &[u8]| match procfs::parse_number(name) {
            Some(fd) => service.table.visible(fd),
            None => true,
        };
        // Nothing left is not the end of the directory.
        let kept = procfs::retain(&mut entries[..bytes], visible);
        if kept > 0 {
            return Ok(kept as i64);
        }
    }
}

/// sendfile(2). It waits for its reader, if that is not to be waited for neither; and for its source, if
/// that is no file.
pub(super) fn sendfile(call: &mut Call) -> Outcome {
    let (to, from) = (call.args.fd(0), call.args.fd(1));
    let quick = call.may_block || nonblocking(to) && call.service.kind(from)? != Kind::Other;
    if !quick {
        return Err(Failure::WouldBlock);
    }
    call.make()
}

/// getrandom(2).
pub(super) fn getrandom(call: &mut Call) -> Outcome {
    let flags = call.args.number(2);
    let mut total = 0;
    for piece in call.args.memory(0) {
        let args = [piece.iov_base as u64, piece.iov_len as u64, flags, 0, 0, 0];
        // SAFETY: the piece lies in the guest's memory, to which nothing here holds a reference.
        match unsafe { sys::call(libc::SYS_getrandom, args) } {
            Ok(bytes) => {
                total += bytes;
                if (bytes as usize) < piece.iov_len {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(total)
}
