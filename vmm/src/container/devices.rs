//! Device nodes and the links of /dev.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::mount_api::Tree;
use super::rooted::{self, c_path, Kind, Root};
use crate::errno::{check, check_fd, Errno};
use crate::plan::Device;

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("error creating device {}: {errno}", path.display())]
    Make { path: PathBuf, errno: Errno },
    #[error("error creating device {}: another file is there", path.display())]
    Other { path: PathBuf },
    #[error("error creating device {}: type {kind:?} is none of b, c and p", path.display())]
    Kind { path: PathBuf, kind: char },
    #[error("error creating link {}: {errno}", path.display())]
    Link { path: PathBuf, errno: Errno },
}

/// Makes the plan's devices. `bind`: in a user namespace nobody may make a device that works, so
/// the host's are bound.
pub fn make_all(root: &Root, devices: &[Device], bind: bool) -> Result<(), DeviceError> {
    devices
        .iter()
        .try_for_each(|device| make(root, device, bind))
}

fn make(root: &Root, device: &Device, bind: bool) -> Result<(), DeviceError> {
    let path = || device.path.clone();
    let failed = |errno| DeviceError::Make {
        path: path(),
        errno,
    };
    let kind = match device.kind {
        'b' => libc::S_IFBLK,
        'c' | 'u' => libc::S_IFCHR,
        'p' => libc::S_IFIFO,
        kind => return Err(DeviceError::Kind { path: path(), kind }),
    };
    let number = if kind == libc::S_IFIFO {
        0
    } else {
        libc::makedev(device.major, device.minor)
    };
    if bind && kind != libc::S_IFIFO {
        return bind_host(root, device, kind, number);
    }
    let (directory, name) = root.ensure_parent(&device.path).map_err(failed)?;
    // SAFETY: the name is a C string.
    match check(unsafe {
        libc::mknodat(directory.as_raw_fd(), name.as_ptr(), kind | 0o600, number)
    }) {
        Ok(_) => {}
        Err(Errno(libc::EEXIST)) => {
            let there = open_name(&directory, &name).map_err(failed)?;
            return if is_device(&there, kind, number).map_err(failed)? {
                Ok(())
            } else {
                Err(DeviceError::Other { path: path() })
            };
        }
        Err(Errno(libc::EPERM)) if kind != libc::S_IFIFO => {
            return bind_host(root, device, kind, number)
        }
        Err(errno) => return Err(failed(errno)),
    }
    let node = open_name(&directory, &name).map_err(failed)?;
    if !is_device(&node, kind, number).map_err(failed)? {
        return Err(DeviceError::Other { path: path() });
    }
    // SAFETY: the paths are empty C strings, the descriptor is the node that was just looked at.
    // fchmodat2(2) instead would want Linux 6.6; a node that is no symbolic link can be named.
    check(unsafe {
        libc::fchownat(
            node.as_raw_fd(),
            c"".as_ptr(),
            device.uid,
            device.gid,
            libc::AT_EMPTY_PATH,
        )
    })
    .map_err(failed)?;
    // SAFETY: the name is a C string.
    check(unsafe {
        libc::fchmodat(
            directory.as_raw_fd(),
            name.as_ptr(),
            device.mode & 0o7777,
            0,
        )
    })
    .map_err(failed)?;
    Ok(())
}

fn bind_host(root: &Root, device: &Device, kind: u32, number: u64) -> Result<(), DeviceError> {
    let failed = |errno| DeviceError::Make {
        path: device.path.clone(),
        errno,
    };
    let tree = Tree::copy(&c_path(&device.path).map_err(failed)?, false).map_err(failed)?;
    if !is_device(&tree, kind, number).map_err(failed)? {
        return Err(DeviceError::Other {
            path: device.path.clone(),
        });
    }
    let target = root.ensure(&device.path, Kind::File).map_err(failed)?;
    tree.attach(&target).map_err(failed)
}

/// Makes the links. One that is there stays, except /dev/ptmx: the host's would reach the host's
/// terminals, so it is replaced.
pub fn link_all(root: &Root, links: &BTreeMap<PathBuf, PathBuf>) -> Result<(), DeviceError> {
    for (path, target) in links {
        link(root, path, target).map_err(|errno| DeviceError::Link {
            path: path.clone(),
            errno,
        })?;
    }
    Ok(())
}

fn link(root: &Root, path: &Path, target: &Path) -> Result<(), Errno> {
    let (directory, name) = root.ensure_parent(path)?;
    let target = c_path(target)?;
    if path.as_os_str().as_bytes() == b"/dev/ptmx" {
        // SAFETY: the name is a C string. That there is none is no error.
        unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), 0) };
    }
    // SAFETY: both are C strings.
    match check(unsafe { libc::symlinkat(target.as_ptr(), directory.as_raw_fd(), name.as_ptr()) }) {
        Ok(_) | Err(Errno(libc::EEXIST)) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn open_name(directory: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name is a C string.
    check_fd(unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags) })
}

fn is_device(file: impl AsFd, kind: u32, number: u64) -> Result<bool, Errno> {
    let stat = rooted::stat(file)?;
    Ok(stat.st_mode & libc::S_IFMT == kind && (kind == libc::S_IFIFO || stat.st_rdev == number))
}

/// The host's /dev/null, for masking files: the image's could be anything (CVE-2025-31133).
pub fn host_null() -> Result<OwnedFd, DeviceError> {
    let failed = |errno| DeviceError::Make {
        path: "/dev/null".into(),
        errno,
    };
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: the path is a C string.
    let null = check_fd(unsafe { libc::open(c"/dev/null".as_ptr(), flags) }).map_err(failed)?;
    if is_device(&null, libc::S_IFCHR, libc::makedev(1, 3)).map_err(failed)? {
        Ok(null)
    } else {
        Err(DeviceError::Other {
            path: "/dev/null".into(),
        })
    }
}
