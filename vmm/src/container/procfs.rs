//! A procfs of the monitor's own: of the container's pid namespace, attached nowhere, so that no
//! mount of the image lies over it and the guest has no name for it.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::fds;
use super::mount_api;
use super::rooted::{self, is_procfs, openat2, RESOLVE_BENEATH, RESOLVE_NO_XDEV};
use crate::errno::{check, check_fd, Errno};

/// The inode of a procfs' root (PROC_ROOT_INO in Linux' include/linux/proc_fs.h).
const ROOT: u64 = 1;

#[derive(Debug)]
pub struct Procfs(OwnedFd);

/// Of the root directory of a procfs.
impl From<OwnedFd> for Procfs {
    fn from(root: OwnedFd) -> Procfs {
        Procfs(root)
    }
}

impl Procfs {
    /// Of a descriptor that need not be one.
    pub fn checked(root: OwnedFd) -> Result<Procfs, Errno> {
        if is_procfs(&root)? && rooted::stat(&root)?.st_ino == ROOT {
            Ok(Procfs(root))
        } else {
            Err(Errno(libc::EPERM))
        }
    }

    /// What mountinfo of this process says of a mount (proc_pid_mountinfo(5)): its own options. `None` if
    /// the mount is none of this mount namespace, or not within this process's root.
    pub fn mount_options(&self, mount: u64) -> Result<Option<String>, Errno> {
        let here = self.0.as_fd();
        let file = openat2(here, c"self/mountinfo", libc::O_RDONLY, RESOLVE_NO_XDEV)?;
        let mut text = Vec::new();
        File::from(file)
            .read_to_end(&mut text)
            .map_err(Errno::from)?;
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines().map(|line| line.split(' '));
        let found = lines.find_map(|mut fields| {
            (fields.next()?.parse() == Ok(mount)).then(|| fields.nth(4).map(str::to_owned))
        });
        Ok(found.flatten())
    }

    /// With processes only (`subset=pid`).
    pub fn of_processes() -> Result<Procfs, Errno> {
        Procfs::open("subset=pid")
    }

    /// With `/proc/sys` too.
    pub fn complete() -> Result<Procfs, Errno> {
        Procfs::open("")
    }

    fn open(options: &str) -> Result<Procfs, Errno> {
        const FLAGS: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let directory = match mount_api::new_file_system(c"proc", c"proc", FLAGS, options) {
            Ok(tree) => tree.into(),
            // A user namespace whose own /proc is covered in part may mount none: the one that is
            // there serves as well, before the pivot.
            Err(Errno(libc::EPERM)) => {
                let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
                // SAFETY: the path is a C string.
                let found = check_fd(unsafe { libc::open(c"/proc".as_ptr(), flags) })?;
                if !is_procfs(&found)? || rooted::stat(&found)?.st_ino != ROOT {
                    return Err(Errno(libc::EPERM));
                }
                found
            }
            Err(errno) => return Err(errno),
        };
        fds::make_private(directory).map(Procfs)
    }

    /// Opens the file behind an O_PATH descriptor.
    pub fn reopen(&self, file: impl AsFd, flags: i32) -> Result<OwnedFd, Errno> {
        reopen(self.0.as_fd(), file, flags)
    }

    /// The whole path of an open file, as `/proc/self/exe` has it of a program's.
    pub fn path_of(&self, file: impl AsFd) -> Result<CString, Errno> {
        let name = fd_name(file)?;
        let mut path = vec![0_u8; libc::PATH_MAX as usize];
        // SAFETY: the name is a C string; as many bytes are written as the buffer has at most.
        let bytes = check(unsafe {
            libc::readlinkat(
                self.0.as_raw_fd(),
                name.as_ptr(),
                path.as_mut_ptr().cast(),
                path.len(),
            ) as i64
        })?;
        path.truncate(bytes as usize);
        CString::new(path).map_err(|_| Errno(libc::EINVAL))
    }

    /// A second descriptor of the same.
    pub fn copy(&self) -> Result<OwnedFd, Errno> {
        fds::copy_private(&self.0)
    }

    /// Writes a file below `sys`, whose name has slashes.
    pub fn write_sysctl(&self, name: &str, value: &str) -> Result<(), Errno> {
        self.write(&format!("sys/{name}"), value)
    }

    /// Writes a file, in one write(2).
    pub fn write(&self, path: &str, value: &str) -> Result<(), Errno> {
        let path = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
        let file = openat2(
            self.0.as_fd(),
            &path,
            libc::O_WRONLY,
            RESOLVE_BENEATH | RESOLVE_NO_XDEV,
        )?;
        File::from(file)
            .write_all(value.as_bytes())
            .map_err(Errno::from)
    }
}

/// Opens the file behind an O_PATH descriptor by way of a procfs.
pub fn reopen(procfs: BorrowedFd, file: impl AsFd, flags: i32) -> Result<OwnedFd, Errno> {
    let path = fd_name(file)?;
    let flags = flags | libc::O_CLOEXEC;
    // SAFETY: the path is a C string.
    check_fd(unsafe { libc::openat(procfs.as_raw_fd(), path.as_ptr(), flags) })
}

fn fd_name(file: impl AsFd) -> Result<CString, Errno> {
    let fd = file.as_fd().as_raw_fd();
    CString::new(format!("self/fd/{fd}")).map_err(|_| Errno(libc::EINVAL))
}
