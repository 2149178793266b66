//! The file that execve(2) is asked to run.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use pinion_abi::Errno;

use super::{sys, Service};

/// linux/fcntl.h, since Linux 6.14: only say whether the file may be executed.
pub const AT_EXECVE_CHECK: i32 = 0x1_0000;

/// A program's file, out of the guest's reach.
pub struct Opened {
    pub file: OwnedFd,
    /// Otherwise it is an O_PATH descriptor: the guest may execute the file, but not read it.
    pub readable: bool,
}

impl Service {
    /// Finds the program of execveat(2), and opens it for reading if it can. The host
    /// judges whether the guest may execute it.
    pub fn open_program(&self, directory: RawFd, path: &CStr, flags: i32) -> Result<Opened, Errno> {
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
        let empty = libc::AT_EMPTY_PATH;
        let stat = sys::stat_path(target.fd(), sys::EMPTY, empty, libc::STATX_TYPE)?;
        match sys::file_type(&stat) {
            libc::S_IFREG => {}
            libc::S_IFLNK => return Err(Errno::ELOOP),
            _ => return Err(Errno::EACCES),
        }
        may_execute(target.fd())?;
        let flags = libc::O_NOCTTY | libc::O_CLOEXEC;
        let (file, readable) = match self.anew(target.fd(), libc::O_RDONLY | flags) {
            Err(Errno::EACCES) => (self.anew(target.fd(), libc::O_PATH | flags)?, false),
            result => (result?, true),
        };
        let file = super::raise(sys::own(file), self.table.floor())?;
        Ok(Opened { file, readable })
    }

    /// Whether a descriptor of the guest has the flag FD_CLOEXEC.
    pub fn closes_at_exec(&self, fd: RawFd) -> bool {
        self.table.visible(fd) && sys::fcntl(fd, libc::F_GETFD, 0).is_ok_and(|flags| flags & 1 != 0)
    }

    /// Opens a file of the monitor's own /proc for reading, out of the program's sight.
    pub fn open_in_proc(&self, name: &CStr) -> Result<OwnedFd, Errno> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        let file = sys::own(sys::openat(self.proc.as_raw_fd(), name, flags, 0)?);
        super::raise(file, self.table.floor())
    }

    /// The root of the monitor's own /proc.
    pub fn proc_root(&self) -> &OwnedFd {
        &self.proc
    }
}

/// Whether the host would execute the file: x bits, the mount, who has it open for writing.
pub fn may_execute(fd: RawFd) -> Result<(), Errno> {
    let argument = [sys::pointer(sys::EMPTY), 0];
    let args = [
        sys::word(fd),
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
    match mount_flags(fd)? & libc::ST_NOEXEC {
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
