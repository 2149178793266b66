//! The working directory and the root directory.

use std::os::fd::{AsRawFd, RawFd};

use pinion_abi::Errno;

use super::names;
use super::sys::{self, Outcome};
use super::Call;

fn enter(dir: RawFd) -> Result<i64, Errno> {
    // SAFETY: fchdir takes no pointers.
    unsafe { sys::call(libc::SYS_fchdir, [sys::word(dir), 0, 0, 0, 0, 0]) }
}

/// chdir(2).
pub(super) fn chdir(call: &mut Call) -> Outcome {
    let dir = call
        .service
        .resolve(libc::AT_FDCWD, call.args.path(0)?, libc::O_DIRECTORY)?;
    Ok(enter(dir.as_raw_fd())?)
}

/// chroot(2). It takes nothing but a path, so the directory becomes the working directory for a
/// moment; a path that another thread of the guest resolves just then is taken from there.
pub(super) fn chroot(call: &mut Call) -> Outcome {
    let service = call.service;
    let dir = service.resolve(libc::AT_FDCWD, call.args.path(0)?, libc::O_DIRECTORY)?;
    // `Service::open_at_once` relies on it that there is no /proc at the root.
    if sys::is_proc(dir.as_raw_fd())? {
        return Err(Errno::EACCES.into());
    }
    let before = names::open_path(libc::AT_FDCWD, c".", libc::O_DIRECTORY, 0)?;
    enter(dir.as_raw_fd())?;
    // SAFETY: the path is a constant, which the call only reads.
    let result = unsafe { sys::call(libc::SYS_chroot, [sys::pointer(c"."), 0, 0, 0, 0, 0]) };
    enter(before.as_raw_fd())?;
    if result.is_ok() {
        service.mounts.reopen();
    }
    Ok(result?)
}
