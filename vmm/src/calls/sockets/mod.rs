//! Sockets. They are the host's own, in the container's network namespace.

pub(super) mod message;
pub(super) mod options;
pub(super) mod transfer;

use std::ffi::CString;

use pinion_abi::sockets::{ADDRESS_BYTES, SIZED_BYTES};
use pinion_abi::Errno;

use super::descriptors::Kind;
use super::files::nonblocking;
use super::names::{self, NO_MAGICLINKS};
use super::sys::{self, Failure, Outcome};
use super::{decode, Call, Service};

/// Where the path begins in a struct sockaddr_un.
const PATH: usize = 2;

impl Service {
    /// Looks where an address leads, if it is a path: not through a magic link into the monitor
    /// (`names`). The call then resolves the path itself, for the socket must have the name that it was
    /// given. What a guest could have changed meanwhile gains it nothing: the monitor's own descriptors
    /// are of no directory that holds sockets, and a socket is not connected to by its magic link.
    fn check_address(&self, address: &[u8]) -> Result<(), Errno> {
        let family = address.get(..PATH).map(|family| [family[0], family[1]]);
        if family.map(u16::from_ne_bytes) != Some(libc::AF_UNIX as u16) {
            return Ok(());
        }
        let name = address[PATH..].split(|byte| *byte == 0).next();
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        let path = CString::new(name).map_err(|_| Errno::EINVAL)?;
        if let Err(Errno::ELOOP) = names::open_path(libc::AT_FDCWD, &path, 0, NO_MAGICLINKS) {
            match self.walk(libc::AT_FDCWD, &path, 0) {
                // That is the call's to say, or to mend.
                Ok(_) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// socket(2).
pub(super) fn socket(call: &mut Call) -> Outcome {
    let fd = call.make()? as i32;
    Ok(call.service.table.publish(fd, Kind::Other)?)
}

/// socketpair(2).
pub(super) fn socketpair(call: &mut Call) -> Outcome {
    call.args.data(3)?;
    let result = call.make()?;
    let pair = decode::number(call.args.data(3)?, 0);
    call.service.table.publish_pair(pair)?;
    Ok(result)
}

/// bind(2).
pub(super) fn bind(call: &mut Call) -> Outcome {
    check(call)?;
    call.make()
}

/// connect(2).
pub(super) fn connect(call: &mut Call) -> Outcome {
    check(call)?;
    let fd = call.args.fd(0);
    if !call.may_block && !nonblocking(fd) {
        return Err(Failure::WouldBlock);
    }
    match call.make() {
        Err(Failure::Errno(Errno::EINTR)) => Err(transfer::interrupted(fd, true).into()),
        other => other,
    }
}

fn check(call: &mut Call) -> Result<(), Errno> {
    let service = call.service;
    match call.args.data_or_null(1) {
        Some(address) => service.check_address(address),
        None => Ok(()),
    }
}

/// The place for an address, as the host takes it: (address, length), or two null pointers.
fn place(call: &mut Call) -> (u64, u64) {
    let Some(place) = call.args.data_or_null(1) else {
        return (0, 0);
    };
    place[..4].copy_from_slice(&ADDRESS_BYTES.to_ne_bytes());
    let head = place.as_mut_ptr();
    (head.wrapping_add(SIZED_BYTES as usize) as u64, head as u64)
}

/// accept(2), accept4(2).
pub(super) fn accept(call: &mut Call) -> Outcome {
    let fd = call.args.fd(0);
    if !call.may_block && !nonblocking(fd) {
        return Err(Failure::WouldBlock);
    }
    let table = &call.service.table;
    // Linux takes the number first, and leaves the connection where it is if there is none.
    table.check_room(fd)?;
    let flags = call.args.number(3);
    let (address, length) = place(call);
    let args = [sys::word(fd), address, length, flags, 0, 0];
    // SAFETY: the address and its length have their room in the monitor's copy, or are null.
    match unsafe { sys::call(call.number.into(), args) } {
        Ok(fd) => Ok(table.publish(fd as i32, Kind::Other)?),
        Err(Errno::EINTR) => Err(transfer::interrupted(fd, false).into()),
        Err(errno) => Err(errno.into()),
    }
}

/// getsockname(2), getpeername(2).
pub(super) fn name(call: &mut Call) -> Outcome {
    call.args.data(1)?;
    let fd = call.args.fd(0);
    let (address, length) = place(call);
    let args = [sys::word(fd), address, length, 0, 0, 0];
    // SAFETY: as in `accept`.
    Ok(unsafe { sys::call(call.number.into(), args) }?)
}
