//! The mount system calls on descriptors (open_tree(2), move_mount(2), fsopen(2), fsconfig(2),
//! fsmount(2), mount_setattr(2); <linux/mount.h>): a mount is made and given its attributes before
//! it is attached to a directory that was resolved once, so no path is looked at twice.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use crate::errno::{check, check_fd, Errno};

const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;
const AT_RECURSIVE: u32 = 0x8000;
const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH as u32;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;

pub const ATTR_RDONLY: u64 = 0x01;
const ATTR_NOSUID: u64 = 0x02;
const ATTR_NODEV: u64 = 0x04;
const ATTR_NOEXEC: u64 = 0x08;
const ATTR_ATIME_MASK: u64 = 0x70;
const ATTR_NOATIME: u64 = 0x10;
const ATTR_STRICTATIME: u64 = 0x20;
const ATTR_NODIRATIME: u64 = 0x80;
const ATTR_IDMAP: u64 = 0x10_0000;
const ATTR_NOSYMFOLLOW: u64 = 0x20_0000;

const MS_NOSYMFOLLOW: u64 = 256;

/// mount(2) flags that belong to one mount, and the attribute that each is.
const FLAG_ATTRIBUTES: [(u64, u64); 8] = [
    (libc::MS_RDONLY, ATTR_RDONLY),
    (libc::MS_NOSUID, ATTR_NOSUID),
    (libc::MS_NODEV, ATTR_NODEV),
    (libc::MS_NOEXEC, ATTR_NOEXEC),
    (libc::MS_NOATIME, ATTR_NOATIME),
    (libc::MS_STRICTATIME, ATTR_STRICTATIME),
    (libc::MS_NODIRATIME, ATTR_NODIRATIME),
    (MS_NOSYMFOLLOW, ATTR_NOSYMFOLLOW),
];

/// mount(2) flags that belong to the file system, and the option that each is.
const FLAG_OPTIONS: [(u64, &CStr); 4] = [
    (libc::MS_SYNCHRONOUS, c"sync"),
    (libc::MS_MANDLOCK, c"mand"),
    (libc::MS_DIRSYNC, c"dirsync"),
    (1 << 25, c"lazytime"), // MS_LAZYTIME
];

/// The mount attributes among mount(2) flags.
pub fn attributes(flags: u64) -> u64 {
    FLAG_ATTRIBUTES
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .fold(0, |all, (_, attribute)| all | attribute)
}

/// `struct mount_attr`.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// A mount, attached or not. An unattached one goes away with its last descriptor.
#[derive(Debug)]
pub struct Tree(OwnedFd);

impl Tree {
    /// A copy of the mount at `path` (MS_BIND), with those below it if `recursive` (MS_REC).
    pub fn copy(path: &CStr, recursive: bool) -> Result<Tree, Errno> {
        open_tree(
            libc::AT_FDCWD,
            path,
            if recursive { AT_RECURSIVE } else { 0 },
        )
    }

    /// The same of an open file or directory.
    pub fn copy_fd(fd: impl AsFd, recursive: bool) -> Result<Tree, Errno> {
        let recursive = if recursive { AT_RECURSIVE } else { 0 };
        open_tree(fd.as_fd().as_raw_fd(), c"", AT_EMPTY_PATH | recursive)
    }

    pub fn attach(&self, target: impl AsFd) -> Result<(), Errno> {
        // SAFETY: both paths are empty C strings, the descriptors are open.
        check(unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                self.0.as_raw_fd(),
                c"".as_ptr(),
                target.as_fd().as_raw_fd(),
                c"".as_ptr(),
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH,
            )
        })?;
        Ok(())
    }

    pub fn change(&self, set: u64, clear: u64, recursive: bool) -> Result<(), Errno> {
        // The access time modes are one value, not flags: setting one means clearing it first.
        let clear = if set & ATTR_ATIME_MASK != 0 {
            clear | ATTR_ATIME_MASK
        } else {
            clear
        };
        self.set_attributes(
            &MountAttr {
                set,
                clear,
                ..MountAttr::default()
            },
            recursive,
        )
    }

    /// Makes nosuid, nodev, noexec and ro exactly what `flags` of mount(2) say, as a remount does;
    /// where the user namespace has locked some, they stay.
    pub fn set_exactly(&self, flags: u64) -> Result<(), Errno> {
        const EXACT: u64 = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;
        let set = attributes(flags);
        match self.change(set, EXACT & !set, false) {
            Err(Errno(libc::EPERM)) => self.change(set, 0, false),
            result => result,
        }
    }

    /// Gives the mount the ids of a user namespace (MOUNT_ATTR_IDMAP).
    pub fn map_ids(&self, namespace: impl AsFd, recursive: bool) -> Result<(), Errno> {
        let attr = MountAttr {
            set: ATTR_IDMAP,
            userns_fd: namespace.as_fd().as_raw_fd() as u64,
            ..MountAttr::default()
        };
        self.set_attributes(&attr, recursive)
    }

    /// `flags`: MS_PRIVATE and its kin, with MS_REC for all below.
    pub fn propagate(&self, flags: u64) -> Result<(), Errno> {
        let attr = MountAttr {
            propagation: flags & !libc::MS_REC,
            ..MountAttr::default()
        };
        self.set_attributes(&attr, flags & libc::MS_REC != 0)
    }

    fn set_attributes(&self, attr: &MountAttr, recursive: bool) -> Result<(), Errno> {
        let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
        // SAFETY: the path is an empty C string; the struct is read for its size.
        check(unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                self.0.as_raw_fd(),
                c"".as_ptr(),
                flags,
                ptr::from_ref(attr),
                size_of::<MountAttr>(),
            )
        })?;
        Ok(())
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Tree> for OwnedFd {
    fn from(tree: Tree) -> OwnedFd {
        tree.0
    }
}

fn open_tree(directory: i32, path: &CStr, flags: u32) -> Result<Tree, Errno> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags;
    // SAFETY: the path is a C string.
    check_fd(unsafe { libc::syscall(libc::SYS_open_tree, directory, path.as_ptr(), flags) })
        .map(Tree)
}

/// A new file system of that type, not yet attached.
///
/// `flags` are mount(2)'s, `data` its options joined by commas.
pub fn new_file_system(kind: &CStr, source: &CStr, flags: u64, data: &str) -> Result<Tree, Errno> {
    // SAFETY: the type is a C string.
    let context =
        check_fd(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    if !source.is_empty() {
        configure(&context, FSCONFIG_SET_STRING, Some(c"source"), Some(source))?;
    }
    for (_, option) in FLAG_OPTIONS.iter().filter(|(flag, _)| flags & flag != 0) {
        configure(&context, FSCONFIG_SET_FLAG, Some(option), None)?;
    }
    for option in data.split(',').filter(|option| !option.is_empty()) {
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(c_string(value)?)),
            None => (option, None),
        };
        let command = if value.is_some() {
            FSCONFIG_SET_STRING
        } else {
            FSCONFIG_SET_FLAG
        };
        configure(&context, command, Some(&c_string(key)?), value.as_deref())?;
    }
    configure(&context, FSCONFIG_CMD_CREATE, None, None)?;
    // SAFETY: fsmount(2) takes numbers and the open context.
    check_fd(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            FSMOUNT_CLOEXEC,
            attributes(flags),
        )
    })
    .map(Tree)
}

fn configure(
    context: &OwnedFd,
    command: u32,
    key: Option<&CStr>,
    value: Option<&CStr>,
) -> Result<(), Errno> {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: key and value are C strings or null, as the commands used here want.
    check(unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            pointer(key),
            pointer(value),
            0,
        )
    })?;
    Ok(())
}

/// mount(2) without a file system: a change of flags, propagation or place.
pub fn mount(source: Option<&CStr>, target: &CStr, flags: u64) -> Result<(), Errno> {
    let source = source.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: C strings, or null where mount(2) allows it.
    check(unsafe { libc::mount(source, target.as_ptr(), ptr::null(), flags, ptr::null()) })?;
    Ok(())
}

fn c_string(text: &str) -> Result<CString, Errno> {
    CString::new(text).map_err(|_| Errno(libc::EINVAL))
}
