//! AppArmor: the profile that confines the process, which is the monitor.
//!
//! runc sets the profile of the next execve(2) (aa_change_onexec(3)). The monitor makes none, so it
//! changes to the profile itself (aa_change_profile(3)).

use super::procfs::Procfs;
use crate::errno::Errno;

#[derive(Debug, thiserror::Error)]
#[error("unable to apply apparmor profile: apparmor failed to apply profile: write /proc/{file}: {errno}")]
pub struct AppArmorError {
    file: &'static str,
    errno: Errno,
}

/// AppArmor's own file, and the one that it shares with other security modules in older kernels.
const FILES: [&str; 2] = ["self/attr/apparmor/current", "self/attr/current"];

pub fn change_profile(procfs: &Procfs, profile: &str) -> Result<(), AppArmorError> {
    let command = format!("changeprofile {profile}");
    let [own, shared] = FILES;
    let (file, errno) = match procfs.write(own, &command) {
        Ok(()) => return Ok(()),
        Err(Errno(libc::ENOENT)) => match procfs.write(shared, &command) {
            Ok(()) => return Ok(()),
            Err(errno) => (shared, errno),
        },
        Err(errno) => (own, errno),
    };
    Err(AppArmorError { file, errno })
}
