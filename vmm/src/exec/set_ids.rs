//! Set-user-ID and set-group-ID programs. The host executes the monitor, whose file has no such bits,
//! so the monitor changes the ids itself, where the process may.

use std::ffi::CStr;

use serde::{Deserialize, Serialize};

use crate::calls::SetIds;
use crate::errno::{check, Errno};

/// The effective ids that a program's file gives the process.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq, Clone, Copy, Default)]
pub struct Ids {
    pub user: Option<u32>,
    pub group: Option<u32>,
}

/// What the process can take of that. Where it cannot, the program runs as who executes it, and a
/// verbose monitor says so.
pub fn possible(wanted: SetIds, path: &CStr, verbose: bool) -> Ids {
    // SAFETY: these calls take nothing.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let wanted = Ids {
        user: wanted.user.filter(|wanted| *wanted != user),
        group: wanted.group.filter(|wanted| *wanted != group),
    };
    // Root has all of its bounding set again when the monitor is executed (capabilities(7)).
    if wanted == Ids::default() || user == 0 {
        return wanted;
    }
    if verbose {
        let path = path.to_string_lossy();
        crate::machine::report(&format!(
            "not supported: set-user-ID or set-group-ID of {path} for user {user}"
        ));
    }
    Ids::default()
}

impl Ids {
    /// Makes them the effective and the saved ones (execve(2)).
    pub fn take(self) -> Result<(), Errno> {
        const SAME: u32 = u32::MAX;
        if let Some(group) = self.group {
            // SAFETY: the call takes numbers.
            check(unsafe { libc::syscall(libc::SYS_setresgid, SAME, group, group) })?;
        }
        if let Some(user) = self.user {
            // SAFETY: as above.
            check(unsafe { libc::syscall(libc::SYS_setresuid, SAME, user, user) })?;
        }
        Ok(())
    }
}
