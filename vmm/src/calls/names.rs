//! From a path to a file.
//!
//! No path of the guest is handed to a call that would follow a magic link, for behind those of
//! /proc stand the monitor's own files. A path is resolved by openat2(2) with
//! RESOLVE_NO_MAGICLINKS to an O_PATH descriptor, and the call works on that; or its parent
//! directory is, and the call takes the last name, which such calls never follow. A magic link that
//! the guest may follow is followed by `walk`.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use pinion_abi::Errno;

use super::sys::{self, OpenHow};
use super::Service;

/// linux/openat2.h.
pub(super) const NO_XDEV: u64 = 0x01;
pub(super) const NO_MAGICLINKS: u64 = 0x02;

/// The file that a call works on.
pub(super) enum Target {
    /// An O_PATH descriptor for this call alone.
    Resolved(OwnedFd),
    /// A descriptor of the guest (AT_EMPTY_PATH).
    Named(RawFd),
}

impl Target {
    pub fn fd(&self) -> RawFd {
        match self {
            Target::Resolved(fd) => fd.as_raw_fd(),
            Target::Named(fd) => *fd,
        }
    }
}

/// A directory and a name in it, slashes behind it included.
pub(super) struct Entry {
    dir: Option<OwnedFd>,
    base: RawFd,
    pub name: CString,
}

impl Entry {
    /// A name in a directory that the caller keeps open.
    pub fn of(dir: RawFd, name: CString) -> Entry {
        Entry {
            dir: None,
            base: dir,
            name,
        }
    }

    pub fn dir(&self) -> RawFd {
        self.dir.as_ref().map_or(self.base, AsRawFd::as_raw_fd)
    }
}

impl Service {
    /// Resolves a path to an O_PATH descriptor, at most with O_NOFOLLOW and O_DIRECTORY in `flags`.
    pub(super) fn resolve(&self, dir: RawFd, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
        match open_path(dir, path, flags, NO_MAGICLINKS) {
            Err(Errno::ELOOP) => self.walk(dir, path, flags),
            Err(Errno::ENOENT) => {
                let (tasks, _, rest) = self.thread_of(dir, path).ok_or(Errno::ENOENT)?;
                let path = self.first_thread(&tasks, &rest)?;
                open_path(tasks.dir.as_raw_fd(), &path, flags, NO_MAGICLINKS)
            }
            other => other,
        }
    }

    /// The file that a path or, with AT_EMPTY_PATH, a descriptor names. `flags` are those of the
    /// `*at` calls.
    pub(super) fn target(
        &self,
        dir: RawFd,
        path: Option<&CStr>,
        flags: i32,
    ) -> Result<Target, Errno> {
        let empty = flags & libc::AT_EMPTY_PATH != 0;
        let path = match path {
            None if empty => sys::EMPTY,
            None => return Err(Errno::EFAULT),
            Some(path) => path,
        };
        if empty && path.is_empty() {
            return match dir {
                libc::AT_FDCWD => self.resolve(dir, c".", 0).map(Target::Resolved),
                dir if self.table.visible(dir) => Ok(Target::Named(dir)),
                _ => Err(Errno::EBADF),
            };
        }
        let follow = if flags & libc::AT_SYMLINK_NOFOLLOW == 0 {
            0
        } else {
            libc::O_NOFOLLOW
        };
        self.resolve(dir, path, follow).map(Target::Resolved)
    }

    /// The directory and the last name of a path, for calls that make, move or remove names.
    pub(super) fn entry(&self, dir: RawFd, path: &CStr) -> Result<Entry, Errno> {
        let (parent, name) = split(path.to_bytes());
        if parent.is_empty() {
            return Ok(Entry::of(dir, path.to_owned()));
        }
        let parent = CString::new(parent).map_err(|_| Errno::EINVAL)?;
        let fd = self.resolve(dir, &parent, libc::O_DIRECTORY)?;
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        Ok(Entry {
            dir: Some(fd),
            base: dir,
            name,
        })
    }

    /// A name of an open file in the monitor's own /proc: opening it opens the file anew. That
    /// descriptor need not be the guest's, so no check is made here.
    pub(super) fn anew(&self, fd: RawFd, flags: i32) -> Result<RawFd, Errno> {
        sys::openat(self.proc(), &descriptor_name(fd), flags, 0)
    }
}

/// `fd`'s magic link, from the root of a proc file system.
pub(super) fn descriptor_name(fd: RawFd) -> CString {
    CString::new(format!("thread-self/fd/{fd}")).unwrap_or_default()
}

/// An O_PATH descriptor by openat2(2).
pub(super) fn open_path(
    dir: RawFd,
    path: &CStr,
    flags: i32,
    resolve: u64,
) -> Result<OwnedFd, Errno> {
    let flags = (flags | libc::O_PATH | libc::O_CLOEXEC) as u64;
    sys::openat2(
        dir,
        path,
        OpenHow {
            flags,
            mode: 0,
            resolve,
        },
    )
    .map(sys::own)
}

/// Splits a path before its last component; slashes behind that stay with it. A path of slashes
/// has no parent.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |last| last + 1);
    let start = path[..end]
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1);
    if end == 0 {
        (&[], path)
    } else {
        path.split_at(start)
    }
}

/// Whether a path ends with a slash behind a name that is neither `.` nor `..`.
pub(super) fn names_directory(path: &[u8]) -> bool {
    let (_, name) = split(path);
    let bare = name.split(|byte| *byte == b'/').next().unwrap_or_default();
    bare.len() < name.len() && !matches!(bare, b"" | b"." | b"..")
}
