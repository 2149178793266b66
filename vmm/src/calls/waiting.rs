//! Waiting for descriptors. Signal masks are the guest's own: none is set here. Who may not block looks
//! once.

use std::os::fd::RawFd;

use pinion_abi::Errno;

use super::descriptors::Table;
use super::sys::{self, Failure, Outcome};
use super::{decode, streams, Call};

/// struct pollfd: `fd` at 0, `events` at 4, `revents` at 6.
const POLLFD: usize = 8;
/// A number that is never open: poll(2) says POLLNVAL for it.
const NEVER: RawFd = RawFd::MAX;

/// How long a call waits.
enum Span {
    /// As the guest wants it: a number of milliseconds, or where a structure stands.
    AsAsked(u64),
    /// It only looks: the guest wants it to wait. Some calls write to the structure.
    Look([i64; 2]),
}

impl Span {
    /// The argument is a number of milliseconds.
    fn of_number(call: &Call, index: usize) -> Span {
        match call.may_block || call.args.int(index) == 0 {
            true => Span::AsAsked(call.args.number(index)),
            false => Span::Look([0; 2]),
        }
    }

    /// The argument is a structure of seconds and parts of them, or null.
    fn of_structure(call: &mut Call, index: usize) -> Result<Span, Failure> {
        let asked = Span::AsAsked(call.args.word(index));
        if call.may_block {
            return Ok(asked);
        }
        let Some(time) = call.args.data_or_null(index) else {
            return Ok(Span::Look([0; 2]));
        };
        match [0, 8].map(|at| decode::number(time, at) as i64) {
            [0, 0] => Ok(asked),
            [0..=i64::MAX, 0..=999_999] => Ok(Span::Look([0; 2])),
            // The host may have something to say about it.
            _ => Err(Failure::WouldBlock),
        }
    }

    /// As the host takes it, where a number is wanted or a structure.
    fn number(&self) -> u64 {
        match self {
            Span::AsAsked(number) => *number,
            Span::Look(_) => 0,
        }
    }

    fn structure(&mut self) -> u64 {
        match self {
            Span::AsAsked(address) => *address,
            Span::Look(none) => none.as_mut_ptr() as u64,
        }
    }

    /// What came of it.
    fn judge(&self, result: i64) -> Outcome {
        match (self, result) {
            (Span::Look(_), 0) => Err(Failure::WouldBlock),
            (_, result) => Ok(result),
        }
    }
}

/// poll(2).
pub(super) fn poll(call: &mut Call) -> Outcome {
    let span = Span::of_number(call, 2);
    let timeout = span.number();
    let result = wait_for_any(call, |entries, count| {
        // SAFETY: `entries` points at `count` of struct pollfd.
        unsafe { sys::call(libc::SYS_poll, [entries, count, timeout, 0, 0, 0]) }
    })?;
    span.judge(result)
}

/// ppoll(2).
pub(super) fn ppoll(call: &mut Call) -> Outcome {
    let mut span = Span::of_structure(call, 2)?;
    let timeout = span.structure();
    let result = wait_for_any(call, |entries, count| {
        // SAFETY: `entries` points at `count` of struct pollfd, `timeout` at a struct timespec of the
        // monitor's or nowhere.
        unsafe { sys::call(libc::SYS_ppoll, [entries, count, timeout, 0, 0, 0]) }
    })?;
    span.judge(result)
}

fn wait_for_any(
    call: &mut Call,
    wait: impl FnOnce(u64, u64) -> Result<i64, Errno>,
) -> Result<i64, Errno> {
    let table = &call.service.table;
    let count = call.args.number(1);
    if count > table.limit().0 {
        return Err(Errno::EINVAL);
    }
    if count == 0 {
        return wait(0, 0);
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
    result
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
    let mut span = Span::of_structure(call, 4)?;
    let words = call.args.words();
    let args = [
        count as u64,
        words[1],
        words[2],
        words[3],
        span.structure(),
        0,
    ];
    // SAFETY: the sets are null or as long as `count` needs, the timeout null or what the call takes.
    let result = unsafe { sys::call(number, args) }?;
    span.judge(result)
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

/// epoll_wait(2), epoll_pwait(2).
pub(super) fn epoll_wait(call: &mut Call) -> Outcome {
    let span = Span::of_number(call, 3);
    let timeout = span.number();
    let ready = wait_for_events(call, libc::SYS_epoll_wait, timeout, &span)?;
    let ahead = call.args.number(4);
    if ready > 0 && ahead != 0 {
        let mut events = core::mem::take(call.args.data(1)?);
        let end = call.args.number(5);
        let told = streams::look(call, &events, ready as usize, ahead, end);
        core::mem::swap(call.args.data(1)?, &mut events);
        told?;
    }
    Ok(ready)
}

/// epoll_pwait2(2).
pub(super) fn epoll_pwait2(call: &mut Call) -> Outcome {
    let mut span = Span::of_structure(call, 3)?;
    let timeout = span.structure();
    wait_for_events(call, libc::SYS_epoll_pwait2, timeout, &span)
}

fn wait_for_events(call: &mut Call, number: i64, timeout: u64, span: &Span) -> Outcome {
    call.args.data(1)?;
    let words = call.args.words();
    let args = [words[0], words[1], words[2], timeout, 0, 0];
    // SAFETY: the buffer holds as many of struct epoll_event as the third argument says; the fourth is
    // what the call takes: a number, or null or a struct timespec of the monitor's.
    let result = unsafe { sys::call(number, args) }?;
    span.judge(result)
}
