//! A message (struct msghdr) with its address, its ancillary data and its memory.

use std::os::fd::RawFd;

use pinion_abi::sockets::{self, ADDRESS_BYTES, CONTROL_BYTES, MESSAGE_BYTES};
use pinion_abi::Errno;

use crate::calls::decode::{data_offset, Decoder};
use crate::calls::descriptors::{Kind, Table};
use crate::calls::memory::SlotData;
use crate::calls::sys;

/// struct cmsghdr (cmsg(3)): length with itself, level, type.
const HEADER: usize = 16;
/// linux/socket.h: a descriptor of the sender's process.
const SCM_PIDFD: i32 = 4;

/// One message, copied out of a slot.
pub(in crate::calls) struct Message {
    head: sockets::Message,
    /// Where the head stands, if the call writes it.
    at: Option<usize>,
    pub name: Vec<u8>,
    pub control: Vec<u8>,
    pub data: Vec<libc::iovec>,
    pub flags: u32,
}

impl Decoder<'_> {
    /// Reads a [`sockets::Message`]; `out`: the call writes what the message consists of.
    pub(in crate::calls) fn message(&self, offset: u64, out: bool) -> Result<Message, Errno> {
        let at = data_offset(offset)?;
        let mut bytes = [0; MESSAGE_BYTES as usize];
        self.slot.copy_in(at, &mut bytes)?;
        let word = |at: usize| {
            let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
            u32::from_ne_bytes(word.unwrap_or_default())
        };
        let data = u64::from(word(16)) | u64::from(word(20)) << 32;
        let part = |offset: u32, length: u32, most: u32| match offset {
            0 => Ok(Vec::new()),
            offset => self.bytes(offset, length, most),
        };
        let head = sockets::Message {
            name: word(0),
            name_bytes: word(4),
            control: word(8),
            control_bytes: word(12),
            data,
            flags: 0,
            _pad: 0,
        };
        Ok(Message {
            at: out.then_some(at),
            name: part(head.name, head.name_bytes, ADDRESS_BYTES)?,
            control: part(head.control, head.control_bytes, CONTROL_BYTES)?,
            data: self.pieces(data)?,
            flags: 0,
            head,
        })
    }
}

impl Message {
    /// As the host's calls take it. What it points to is this value's and the guest's.
    pub fn header(&mut self) -> libc::msghdr {
        let place = |bytes: &mut Vec<u8>| match bytes.is_empty() {
            true => std::ptr::null_mut(),
            false => bytes.as_mut_ptr().cast(),
        };
        // SAFETY: the structure has no invalid values.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = place(&mut self.name);
        header.msg_namelen = self.name.len() as u32;
        header.msg_iov = self.data.as_mut_ptr();
        header.msg_iovlen = self.data.len();
        header.msg_control = place(&mut self.control);
        header.msg_controllen = self.control.len();
        header
    }

    /// Takes over what the host said. Descriptors that came become the guest's.
    pub fn received(&mut self, header: &libc::msghdr, table: &Table) {
        self.head.name_bytes = header.msg_namelen;
        self.control.truncate(header.msg_controllen);
        self.flags = header.msg_flags as u32;
        if !publish(&mut self.control, table) {
            self.flags |= libc::MSG_CTRUNC as u32;
        }
    }

    /// Copies back into the slot what a call has written that worked.
    pub fn copy_back(&self, slot: &SlotData, result: i64) -> Result<(), Errno> {
        let Some(at) = self.at.filter(|_| result >= 0) else {
            return Ok(());
        };
        if self.head.name != 0 {
            slot.copy_out(self.head.name as usize, &self.name)?;
        }
        if self.head.control != 0 {
            slot.copy_out(self.head.control as usize, &self.control)?;
        }
        slot.copy_out(at + 4, &self.head.name_bytes.to_ne_bytes())?;
        slot.copy_out(at + 12, &(self.control.len() as u32).to_ne_bytes())?;
        slot.copy_out(at + 24, &self.flags.to_ne_bytes())
    }
}

/// Whether a piece of ancillary data holds descriptors.
fn has_descriptors(entry: &[u8]) -> bool {
    matches!(
        (int(entry, 8), int(entry, 12)),
        (libc::SOL_SOCKET, libc::SCM_RIGHTS | SCM_PIDFD)
    )
}

fn int(bytes: &[u8], at: usize) -> i32 {
    let word = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    i32::from_ne_bytes(word.unwrap_or_default())
}

/// The first piece of ancillary data, as the kernel sees it (CMSG_OK), and where the next begins. `None`:
/// there is no more, or what comes is none.
fn first(control: &[u8]) -> Option<(&[u8], usize)> {
    let length: [u8; 8] = control.get(..8)?.try_into().ok()?;
    let length = usize::try_from(u64::from_ne_bytes(length)).ok()?;
    if length < HEADER {
        return None;
    }
    let next = length.checked_next_multiple_of(8)?.min(control.len());
    Some((control.get(..length)?, next))
}

/// EBADF if ancillary data to be sent name a descriptor that the guest does not have.
pub(super) fn check(control: &[u8], table: &Table) -> Result<(), Errno> {
    let mut rest = control;
    while rest.len() >= HEADER {
        let Some((entry, next)) = first(rest) else {
            return Err(Errno::EINVAL);
        };
        if has_descriptors(entry) {
            for fd in entry[HEADER..].chunks_exact(4) {
                if !table.visible(int(fd, 0)) {
                    return Err(Errno::EBADF);
                }
            }
        }
        rest = &rest[next..];
    }
    Ok(())
}

/// Makes descriptors that came the guest's. `false`: those beyond its limit are closed, and no more
/// mentioned.
fn publish(control: &mut Vec<u8>, table: &Table) -> bool {
    let mut all = true;
    let mut kept = Vec::new();
    let mut rest = control.as_slice();
    while let Some((entry, next)) = first(rest) {
        let mut entry = entry.to_vec();
        if has_descriptors(&entry) {
            let mut end = HEADER;
            let mut room = true;
            for fd in entry[HEADER..].chunks_exact(4).map(|fd| int(fd, 0)) {
                room = room && table.publish(fd, Kind::Unknown).is_ok();
                if room {
                    end += 4;
                } else if !table.visible(fd) {
                    let _ = close(fd);
                }
            }
            all &= room;
            entry.truncate(end);
            entry[..8].copy_from_slice(&(end as u64).to_ne_bytes());
        }
        if entry.len() > HEADER {
            entry.resize(entry.len().next_multiple_of(8), 0);
            kept.extend_from_slice(&entry);
        }
        rest = &rest[next..];
    }
    if !all {
        *control = kept;
    }
    all
}

/// A descriptor that nobody was told of.
fn close(fd: RawFd) -> Result<i64, Errno> {
    sys::close(fd)
}
