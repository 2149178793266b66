//! Sending and receiving. As reading and writing (`files`): what may not block is tried with
//! MSG_DONTWAIT.

use std::os::fd::RawFd;

use pinion_abi::sockets::SIZED_BYTES;
use pinion_abi::Errno;

use super::message;
use crate::calls::files::{length, nonblocking, skip};
use crate::calls::sys::{self, Failure, Outcome};
use crate::calls::Call;

const DONTWAIT: i32 = libc::MSG_DONTWAIT;

/// sendto(2).
pub(in crate::calls) fn sendto(call: &mut Call) -> Outcome {
    let service = call.service;
    let mut vector = call.args.memory(1).to_vec();
    // SAFETY: the structure has no invalid values.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    if let Some(name) = call.args.data_or_null(4).filter(|name| !name.is_empty()) {
        service.check_address(name)?;
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_namelen = name.len() as u32;
    }
    header.msg_iov = vector.as_mut_ptr();
    header.msg_iovlen = vector.len();
    send(call, header, call.args.int(3))
}

/// sendmsg(2).
pub(in crate::calls) fn sendmsg(call: &mut Call) -> Outcome {
    let flags = call.args.int(2);
    let service = call.service;
    let message = call.args.message(1)?;
    service.check_address(&message.name)?;
    message::check(&message.control, &service.table)?;
    let header = message.header();
    send(call, header, flags)
}

/// Sends a message of which everything lies in the monitor's copies and the guest's memory.
fn send(call: &Call, mut header: libc::msghdr, flags: i32) -> Outcome {
    let fd = call.args.fd(0);
    // SAFETY: callers' headers name as many pieces of a vector that outlives this call.
    let vector = unsafe { vector(&header) };
    let unfinished = &call.service.unfinished;
    if call.may_block {
        let done = unfinished.take(call.slot.identity());
        if done == 0 {
            return transfer(libc::SYS_sendmsg, fd, &mut header, flags);
        }
        let mut rest = skip(vector, done);
        // SAFETY: the structure has no invalid values.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = rest.as_mut_ptr();
        header.msg_iovlen = rest.len();
        let flags = flags & !libc::MSG_FASTOPEN;
        return match transfer(libc::SYS_sendmsg, fd, &mut header, flags) {
            Ok(bytes) => Ok(bytes + done as i64),
            // What is sent is sent: the error comes with the next call, as on Linux.
            Err(_) => Ok(done as i64),
        };
    }
    if flags & DONTWAIT != 0 {
        return transfer(libc::SYS_sendmsg, fd, &mut header, flags);
    }
    if unfinished.holds(call.slot.identity()) {
        return Err(Failure::WouldBlock);
    }
    match transfer(libc::SYS_sendmsg, fd, &mut header, flags | DONTWAIT) {
        Ok(done) if (done as usize) < length(vector) && !nonblocking(fd) => {
            unfinished.add(call.slot.identity(), done as usize);
            Err(Failure::WouldBlock)
        }
        other => judge(fd, other),
    }
}

/// recvfrom(2).
pub(in crate::calls) fn recvfrom(call: &mut Call) -> Outcome {
    let mut vector = call.args.memory(1).to_vec();
    // SAFETY: the structure has no invalid values.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    let head = SIZED_BYTES as usize;
    if let Some(place) = call.args.data_or_null(4) {
        let name = &mut place[head..];
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_namelen = name.len() as u32;
    }
    header.msg_iov = vector.as_mut_ptr();
    header.msg_iovlen = vector.len();
    let result = receive(call, &mut header, call.args.int(3))?;
    if let Some(place) = call.args.data_or_null(4) {
        place[..4].copy_from_slice(&header.msg_namelen.to_ne_bytes());
    }
    Ok(result)
}

/// recvmsg(2).
pub(in crate::calls) fn recvmsg(call: &mut Call) -> Outcome {
    let flags = call.args.int(2);
    let service = call.service;
    let mut header = call.args.message(1)?.header();
    let result = receive(call, &mut header, flags)?;
    call.args.message(1)?.received(&header, &service.table);
    Ok(result)
}

fn receive(call: &Call, header: &mut libc::msghdr, flags: i32) -> Outcome {
    let fd = call.args.fd(0);
    if call.may_block || flags & DONTWAIT != 0 {
        return transfer(libc::SYS_recvmsg, fd, header, flags);
    }
    // A part would be taken away.
    if flags & libc::MSG_WAITALL != 0 && !nonblocking(fd) {
        return Err(Failure::WouldBlock);
    }
    judge(
        fd,
        transfer(libc::SYS_recvmsg, fd, header, flags | DONTWAIT),
    )
}

/// # Safety
/// The header names a vector that is used no longer than the result.
unsafe fn vector<'a>(header: &libc::msghdr) -> &'a [libc::iovec] {
    if header.msg_iovlen == 0 {
        return &[];
    }
    // SAFETY: the caller's contract.
    unsafe { std::slice::from_raw_parts(header.msg_iov, header.msg_iovlen) }
}

/// What a try without waiting means for a call that may wait.
fn judge(fd: RawFd, outcome: Outcome) -> Outcome {
    match outcome {
        Err(Failure::Errno(Errno::EAGAIN)) if !nonblocking(fd) => Err(Failure::WouldBlock),
        other => other,
    }
}

/// Makes sendmsg(2) or recvmsg(2).
fn transfer(number: i64, fd: RawFd, header: &mut libc::msghdr, flags: i32) -> Outcome {
    let header = header as *mut libc::msghdr as u64;
    let args = [sys::word(fd), header, flags as u32 as u64, 0, 0, 0];
    // SAFETY: the header names copies of the monitor's that outlive the call, and pieces of the guest's
    // memory, to which nothing here holds a reference.
    match unsafe { sys::call(number, args) } {
        Err(Errno::EINTR) => Err(interrupted(fd, number == libc::SYS_sendmsg).into()),
        other => Ok(other?),
    }
}

/// Why a wait on a socket ended early: one with a timeout is not begun anew after a handler (signal(7)).
pub(in crate::calls) fn interrupted(fd: RawFd, sends: bool) -> Errno {
    let name = if sends {
        libc::SO_SNDTIMEO
    } else {
        libc::SO_RCVTIMEO
    };
    let (mut timeout, mut bytes) = ([0i64; 2], size_of::<[i64; 2]>() as u32);
    let args = [
        sys::word(fd),
        libc::SOL_SOCKET as u64,
        name as u64,
        timeout.as_mut_ptr() as u64,
        &raw mut bytes as u64,
        0,
    ];
    // SAFETY: the kernel writes at most `bytes` of `timeout`.
    match unsafe { sys::call(libc::SYS_getsockopt, args) } {
        Ok(_) if timeout != [0, 0] => Errno::ERESTARTNOHAND,
        _ => Errno::EINTR,
    }
}
