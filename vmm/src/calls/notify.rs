//! Watching files.

use std::os::fd::AsRawFd;

use super::stats::aside;
use super::sys::{self, Outcome};
use super::Call;

/// inotify_add_watch(2). The file's name in /proc is a link that has to be followed.
pub(super) fn inotify_add_watch(call: &mut Call) -> Outcome {
    let (fd, mask) = (call.args.fd(0), call.args.number(2));
    let dont_follow = u64::from(libc::IN_DONT_FOLLOW);
    let flags = if mask & dont_follow != 0 {
        libc::O_NOFOLLOW
    } else {
        0
    };
    let service = call.service;
    let file = service.resolve(libc::AT_FDCWD, call.args.path(1)?, flags)?;
    Ok(aside(service.proc(), file.as_raw_fd(), move |name| {
        let mask = mask & !dont_follow;
        let args = [sys::word(fd), sys::pointer(name), mask, 0, 0, 0];
        // SAFETY: the name outlives the call, which only reads it.
        unsafe { sys::call(libc::SYS_inotify_add_watch, args) }
    })?)
}
