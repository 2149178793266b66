//! A new time namespace (time_namespaces(7)), and what its clocks are ahead of the host's.

use std::fs::{self, File};
use std::os::fd::AsRawFd;

use crate::errno::{check, Errno};
use crate::plan::TimeOffset;

#[derive(Debug, thiserror::Error)]
pub enum ClocksError {
    #[error("unshare time namespace: {0}")]
    Unshare(Errno),
    #[error("failed to write {value:?} to /proc/self/timens_offsets: {errno}")]
    Offset { value: String, errno: Errno },
    #[error("join time namespace: {0}")]
    Join(Errno),
}

/// Offsets can be set until a process is in the namespace, as one made by clone(2) would be at once. So
/// this process makes one for its children, sets its offsets, and joins it itself.
pub fn enter_new_namespace(offsets: &[TimeOffset]) -> Result<(), ClocksError> {
    const CLONE_NEWTIME: i32 = 0x80;
    // SAFETY: unshare(2) takes flags.
    check(unsafe { libc::unshare(CLONE_NEWTIME) }).map_err(ClocksError::Unshare)?;
    for offset in offsets {
        let TimeOffset {
            clock,
            seconds,
            nanoseconds,
        } = offset;
        let value = format!("{clock} {seconds} {nanoseconds}");
        fs::write("/proc/self/timens_offsets", &value).map_err(|error| ClocksError::Offset {
            value,
            errno: error.into(),
        })?;
    }
    let made = File::open("/proc/self/ns/time_for_children")
        .map_err(|error| ClocksError::Join(error.into()))?;
    // SAFETY: setns(2) takes numbers; this process has one thread.
    check(unsafe { libc::setns(made.as_raw_fd(), CLONE_NEWTIME) }).map_err(ClocksError::Join)?;
    Ok(())
}
