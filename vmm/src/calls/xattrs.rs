//! Extended attributes by path.

use std::os::fd::AsRawFd;

use super::stats::aside;
use super::sys::{self, Outcome};
use super::Call;

/// The calls that do not follow a last symbolic link.
const NOT_FOLLOWING: [i64; 4] = [
    libc::SYS_lsetxattr,
    libc::SYS_lgetxattr,
    libc::SYS_llistxattr,
    libc::SYS_lremovexattr,
];

/// setxattr(2), getxattr(2), listxattr(2), removexattr(2) and their l-variants: the path is the
/// first argument. The variant that follows is made on the file found: its name in /proc is a
/// link that has to be followed, and what it leads to is never followed further.
pub(super) fn by_path(call: &mut Call) -> Outcome {
    let number = i64::from(call.number);
    let plain = match number {
        libc::SYS_lsetxattr => libc::SYS_setxattr,
        libc::SYS_lgetxattr => libc::SYS_getxattr,
        libc::SYS_llistxattr => libc::SYS_listxattr,
        libc::SYS_lremovexattr => libc::SYS_removexattr,
        other => other,
    };
    let follow = if NOT_FOLLOWING.contains(&number) {
        libc::O_NOFOLLOW
    } else {
        0
    };
    let file = call
        .service
        .resolve(libc::AT_FDCWD, call.args.path(0)?, follow)?;
    let words = call.args.words();
    Ok(aside(call.service.proc(), file.as_raw_fd(), move |name| {
        let mut args = words;
        args[0] = sys::pointer(name);
        // SAFETY: the name and the monitor's copies outlive the call, as the calling thread waits;
        // they are as long as the call's row says.
        unsafe { sys::call(plain, args) }
    })?)
}
