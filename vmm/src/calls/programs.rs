//! The file that execve(2) is asked to run.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use pinion_abi::Errno;

use super::names::Target;
use super::{sys, Service};

/// linux/fcntl.h, since Linux 6.14: only say whether the file may be executed.
pub const AT_EXECVE_CHECK: i32 = 0x1_0000;

/// What a program's file asks for beside being run (execve(2)): what its set-user-ID and set-group-ID
/// bits make the effective ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetIds {
    pub user: Option<u32>,
    pub group: Option<u32>,
}

impl Service {
    /// Finds the program of execveat(2), and opens it for reading, out of the guest's reach. The host
    /// judges whether the guest may execute it.
    pub fn open_program(
        &self,
        directory: RawFd,
        path: &CStr,
        flags: i32,
    ) -> Result<(OwnedFd, SetIds), Errno> {
        const NOFOLLOW: i32 = libc::AT_SYMLINK_NOFOLLOW;
        if flags & !(libc::AT_EMPTY_PATH | NOFOLLOW | AT_EXECVE_CHECK) != 0 {
            return Err(Errno::EINVAL);
        }
        // The monitor's own descriptors are not to be named, whatever the path is.
        let directory = match directory {
            libc::AT_FDCWD => directory,
            directory if self.table.visible(directory) => directory,
            _ if path.to_bytes().starts_with(b"/") => libc::AT_FDCWD,
            _ => return Err(Errno::EBADF),
        };
        let target = self.target(directory, Some(path), flags & !AT_EXECVE_CHECK)?;
        let mask = libc::STATX_TYPE | libc::STATX_MODE | libc::STATX_UID | libc::STATX_GID;
        let stat = sys::stat_path(target.fd(), sys::EMPTY, libc::AT_EMPTY_PATH, mask)?;
        match sys::file_type(&stat) {
            libc::S_IFREG => {}
            libc::S_IFLNK => return Err(Errno::ELOOP),
            _ => return Err(Errno::EACCES),
        }
        check(&target)?;
        let flags = libc::O_RDONLY | libc::O_NOCTTY | libc::O_CLOEXEC;
        let file = sys::own(self.anew(target.fd(), flags)?);
        let file = super::raise(file, self.table.floor())?;
        let ids = set_ids(&stat, file.as_raw_fd())?;
        Ok((file, ids))
    }

    /// Whether a descriptor of the guest has the flag FD_CLOEXEC.
    pub fn closes_at_exec(&self, fd: RawFd) -> bool {
        self.table.visible(fd) && sys::fcntl(fd, libc::F_GETFD, 0).is_ok_and(|flags| flags & 1 != 0)
    }

    /// The root of the monitor's own /proc.
    pub fn proc_root(&self) -> &OwnedFd {
        &self.proc
    }
}

/// Whether the host would execute the file: x bits, the mount, who has it open for writing.
fn check(target: &Target) -> Result<(), Errno> {
    let argument = [sys::pointer(sys::EMPTY), 0];
    let args = [
        sys::word(target.fd()),
        sys::pointer(sys::EMPTY),
        argument.as_ptr() as u64,
        argument[1..].as_ptr() as u64,
        (libc::AT_EMPTY_PATH | AT_EXECVE_CHECK) as u64,
        0,
    ];
    // SAFETY: the lists end with a null pointer; with that flag nothing is executed.
    match unsafe { sys::call(libc::SYS_execveat, args) } {
        Ok(_) => return Ok(()),
        // An older kernel.
        Err(Errno::EINVAL) => {}
        Err(errno) => return Err(errno),
    }
    let flags = libc::AT_EACCESS | libc::AT_EMPTY_PATH;
    let args = [args[0], args[1], libc::X_OK as u64, flags as u64, 0, 0];
    // SAFETY: the path is a C string.
    unsafe { sys::call(libc::SYS_faccessat2, args) }?;
    match mount_flags(target.fd())? & libc::ST_NOEXEC {
        0 => Ok(()),
        _ => Err(Errno::EACCES),
    }
}

/// The flags of the mount that a file is on (statvfs(3)).
fn mount_flags(fd: RawFd) -> Result<u64, Errno> {
    let mut found = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the call fills the struct, of which zero is a value.
    match unsafe { libc::fstatvfs(fd, found.as_mut_ptr()) } {
        // SAFETY: as above.
        0 => Ok(unsafe { found.assume_init() }.f_flag),
        _ => Err(Errno(
            io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        )),
    }
}

/// Set-ID bits do nothing under no_new_privs, or on a mount with nosuid (bprm_creds_from_file in
/// Linux' fs/exec.c).
fn set_ids(stat: &libc::statx, file: RawFd) -> Result<SetIds, Errno> {
    let mode = u32::from(stat.stx_mode);
    let user = mode & libc::S_ISUID != 0;
    let group = mode & (libc::S_ISGID | libc::S_IXGRP) == libc::S_ISGID | libc::S_IXGRP;
    if !user && !group {
        return Ok(SetIds::default());
    }
    // SAFETY: the call takes numbers.
    let bound = unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) } == 1;
    if bound || mount_flags(file)? & libc::ST_NOSUID != 0 {
        return Ok(SetIds::default());
    }
    Ok(SetIds {
        user: user.then_some(stat.stx_uid),
        group: group.then_some(stat.stx_gid),
    })
}
