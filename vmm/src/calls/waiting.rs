//! Waiting for descriptors. Signal masks are the guest's own: none is set here.

use std::os::fd::RawFd;

use pinion_abi::Errno;

use super::descriptors::Table;
use super::sys::{self, Outcome};
use super::{decode, Call};

/// struct pollfd: `fd` at 0, `events` at 4, `revents` at 6.
const POLLFD: usize = 8;
/// A number that is never open: poll(2) says POLLNVAL for it.
const NEVER: RawFd = RawFd::MAX;

/// poll(2).
pub(super) fn poll(call: &mut Call) -> Outcome {
    let timeout = call.args.number(2);
    wait_for_any(call, |entries, count| {
        // SAFETY: `entries` points at `count` of struct pollfd.
        unsafe { sys::call(libc::SYS_poll, [entries, count, timeout, 0, 0, 0]) }
    })
}

/// ppoll(2).
pub(super) fn ppoll(call: &mut Call) -> Outcome {
    let timeout = call.args.word(2);
    wait_for_any(call, |entries, count| {
        // SAFETY: `entries` points at `count` of struct pollfd, `timeout` at the monitor's copy of
        // a struct timespec or nowhere.
        unsafe { sys::call(libc::SYS_ppoll, [entries, count, timeout, 0, 0, 0]) }
    })
}

fn wait_for_any(call: &mut Call, wait: impl FnOnce(u64, u64) -> Result<i64, Errno>) -> Outcome {
    let table = &call.service.table;
    let count = call.args.number(1);
    if count > table.limit().0 {
        return Err(Errno::EINVAL.into());
    }
    if count == 0 {
        return Ok(wait(0, 0)?);
    }
    let entries = call.args.data(0)?;
    let mut own = entries.clone();
    for entry in own.chunks_exact_mut(POLLFD) {
        let fd = decode::number(entry, 0) as RawFd;
        if fd >= 0 && !table.visible(fd) {
            entry[..4].copy_from_slice(&NEVER.to_ne_bytes());
        }
    }
    let result = wait(own.as_mut_ptr() as u64, count);
    for (entry, own) in entries
        .chunks_exact_mut(POLLFD)
        .zip(own.chunks_exact(POLLFD))
    {
        entry[6..].copy_from_slice(&own[6..]);
    }
    Ok(result?)
}

/// pselect6(2).
pub(super) fn pselect6(call: &mut Call) -> Outcome {
    wait_for_sets(call, libc::SYS_pselect6)
}

/// select(2).
pub(super) fn select(call: &mut Call) -> Outcome {
    wait_for_sets(call, libc::SYS_select)
}

/// The sets have room for 1024 descriptors (FD_SETSIZE).
fn wait_for_sets(call: &mut Call, number: i64) -> Outcome {
    const SETSIZE: i32 = 1024;
    let count = call.args.int(0).min(SETSIZE);
    if count < 0 {
        return Err(Errno::EINVAL.into());
    }
    for index in 1..=3 {
        if let Ok(set) = call.args.data(index) {
            check_set(set, count, &call.service.table)?;
        }
    }
    let words = call.args.words();
    let args = [count as u64, words[1], words[2], words[3], words[4], 0];
    // SAFETY: the sets are null or as long as `count` needs, the timeout null or what the call takes.
    Ok(unsafe { sys::call(number, args) }?)
}

/// EBADF if a set has a number that the guest cannot name.
fn check_set(set: &[u8], count: i32, table: &Table) -> Result<(), Errno> {
    for fd in 0..count {
        let byte = set.get(fd as usize / 8).copied().unwrap_or(0);
        if byte >> (fd % 8) & 1 != 0 && !table.visible(fd) {
            return Err(Errno::EBADF);
        }
    }
    Ok(())
}

/// epoll_wait(2), epoll_pwait(2), epoll_pwait2(2).
pub(super) fn epoll_wait(call: &mut Call) -> Outcome {
    let words = call.args.words();
    call.args.data(1)?;
    let args = [words[0], words[1], words[2], words[3], 0, 0];
    let number = match i64::from(call.number) {
        libc::SYS_epoll_pwait2 => libc::SYS_epoll_pwait2,
        _ => libc::SYS_epoll_wait,
    };
    // SAFETY: the buffer holds as many of struct epoll_event as the third argument says; the fourth is
    // a number, or null or the monitor's copy of a struct timespec.
    Ok(unsafe { sys::call(number, args) }?)
}
