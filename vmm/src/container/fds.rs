//! Descriptors: which are the guest's and which are the monitor's own.
//!
//! A descriptor N of the guest is the monitor's descriptor N, so the monitor's own ones live above
//! a floor that the guest never reaches or names. RLIMIT_NOFILE of the guest is answered, not set.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::errno::{check, check_fd, Errno};

/// How many descriptors the monitor may have of its own.
const PRIVATE_COUNT: u64 = 128;
/// The guest gets no descriptor above this, however large its hard limit is: the kernel's table is
/// an array, copied at each fork.
const HIGHEST: u64 = 16384;

static FLOOR: AtomicI32 = AtomicI32::new(0);

/// Raises the soft limit of descriptors to the hard one, so that the private ones fit.
pub fn raise_limit() -> Result<(), Errno> {
    let limit = limit()?;
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    // SAFETY: setrlimit(2) reads one struct.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) })?;
    Ok(())
}

/// The first number of a private descriptor: min(hard limit, 16384) - 128.
pub fn private_floor() -> RawFd {
    let known = FLOOR.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let hard = limit().map_or(1024, |limit| limit.rlim_max);
    // At most 16384, so it fits.
    let floor = hard.min(HIGHEST).saturating_sub(PRIVATE_COUNT).max(3) as RawFd;
    FLOOR.store(floor, Ordering::Relaxed);
    floor
}

/// As a process before this one found it: its limits say no more.
pub fn set_private_floor(floor: RawFd) {
    FLOOR.store(floor, Ordering::Relaxed);
}

/// Whether a descriptor stays open over execve(2).
pub fn set_kept(fd: impl AsFd, kept: bool) -> Result<(), Errno> {
    let flag = if kept { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: F_SETFD takes a number.
    check(unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_SETFD, flag) })?;
    Ok(())
}

/// Moves a descriptor out of the guest's sight; it becomes close-on-exec.
pub fn make_private(fd: OwnedFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() >= private_floor() {
        return Ok(fd);
    }
    copy_private(&fd)
}

/// The same for descriptors of a machine ([`crate::kvm::Keep`]).
pub fn keep_private(fd: OwnedFd) -> std::io::Result<OwnedFd> {
    make_private(fd).map_err(|errno| std::io::Error::from_raw_os_error(errno.0))
}

/// Another's word for a descriptor: whether it is open.
pub fn borrow(fd: RawFd) -> Result<BorrowedFd<'static>, Errno> {
    // SAFETY: F_GETFD takes nothing.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    // SAFETY: it is open, and callers use it before anything is closed.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// A second private descriptor of the same file.
pub fn copy_private(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    // SAFETY: F_DUPFD_CLOEXEC takes a number and makes a descriptor.
    check_fd(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, private_floor()) })
}

/// Closes everything that nobody told the monitor of: all but 0 to 2, `preserve` descriptors after
/// them, and the `count` from `keep` on.
pub fn close_unknown(preserve: u32, keep: impl AsFd, count: u32) -> Result<(), Errno> {
    let keep = keep.as_fd().as_raw_fd() as u32;
    let first = 3 + preserve;
    if first < keep {
        close_range(first, keep - 1)?;
    }
    close_range(first.max(keep + count), u32::MAX)
}

/// Closes the guest's from this number on.
pub fn close_guests(first: u32) -> Result<(), Errno> {
    close_range(first, private_floor() as u32 - 1)
}

/// Closes all, of a process that only waits from now on.
pub fn close_all() -> Result<(), Errno> {
    close_range(0, u32::MAX)
}

/// `Err` holds the first of the `count` preserved descriptors that is not open. Those that are lose
/// close-on-exec: they are the program's.
pub fn check_preserved(count: u32) -> Result<(), (u32, Errno)> {
    for index in 0..count {
        let fd = (3 + index) as RawFd;
        // SAFETY: F_SETFD takes a number.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) }).map_err(|errno| (index, errno))?;
    }
    Ok(())
}

fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: close_range(2) takes numbers; no `OwnedFd` holds one of the closed descriptors: callers
    // run before the monitor opens any in that range, or when it has closed its own.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
    Ok(())
}

fn limit() -> Result<libc::rlimit, Errno> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) fills in one struct.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(limit)
}
