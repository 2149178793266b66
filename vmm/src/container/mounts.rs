//! The plan's mounts, made in the container's mount namespace before the change of root.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::mount_api::{self, Tree, ATTR_RDONLY};
use super::rooted::{
    self, c_path, openat2, Kind, Root, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV,
};
use super::{cgroup_view, copy_up};
use crate::errno::{check_fd, Errno};
use crate::plan::Mount;

#[derive(Debug, thiserror::Error)]
#[error("error mounting {from:?} to rootfs at {destination:?}: {cause}")]
pub struct MountError {
    from: PathBuf,
    destination: PathBuf,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Call(#[from] Errno),
    #[error("{0:?} cannot be mounted because it is inside /proc")]
    InsideProc(PathBuf),
    #[error("{0:?} cannot be mounted because it is not of type proc")]
    NotProc(PathBuf),
    #[error("filesystem {0:?} must be mounted on ordinary directory")]
    NotOrdinary(String),
}

/// Files in /proc that a file system like lxcfs may cover.
const ALLOWED_IN_PROC: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// What a mount takes.
pub enum Source {
    /// As its plan says.
    Named,
    /// A file or directory to bind.
    Opened(OwnedFd),
    /// A mount that only has to be attached.
    Made(Tree),
}

/// What the mounts take, if it is there before they are made.
///
/// `idmapped`: of [`super::idmap`]. `all`: what others bind is opened too, as the user who this process is
/// before it becomes that of a new user namespace, who may not search the directories there.
pub fn open_sources(mounts: &[Mount], idmapped: Vec<Option<Tree>>, all: bool) -> Vec<Source> {
    let open = |mount: &Mount| {
        let path = c_path(&mount.source).ok()?;
        // SAFETY: the path is a C string.
        check_fd(unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) }).ok()
    };
    let is_bind = |mount: &&Mount| all && mount.flags & libc::MS_BIND != 0;
    let source = |(mount, idmapped): (&Mount, Option<Tree>)| match idmapped {
        Some(tree) => Source::Made(tree),
        None => Some(mount)
            .filter(is_bind)
            .and_then(open)
            .map_or(Source::Named, Source::Opened),
    };
    mounts.iter().zip(idmapped).map(source).collect()
}

/// Makes all mounts, in order. Returns those that become read-only when the container's devices
/// have been made in them.
///
/// `sources`: of [`open_sources`].
pub fn mount_all(
    root: &Root,
    mounts: &[Mount],
    sources: Vec<Source>,
) -> Result<Vec<Tree>, MountError> {
    let mut read_only_later = Vec::new();
    for (mount, source) in mounts.iter().zip(sources) {
        let tree = mount_one(root, mount, source).map_err(|cause| MountError {
            from: mount.source.clone(),
            destination: mount.destination.clone(),
            cause,
        })?;
        read_only_later.extend(tree);
    }
    Ok(read_only_later)
}

/// The second half of [`mount_all`].
pub fn make_read_only(trees: &[Tree]) -> Result<(), Errno> {
    trees
        .iter()
        .try_for_each(|tree| tree.change(ATTR_RDONLY, 0, false))
}

fn mount_one(root: &Root, mount: &Mount, source: Source) -> Result<Option<Tree>, Cause> {
    let (tree, target) = if mount.flags & libc::MS_BIND != 0 {
        bind(root, mount, source)?
    } else {
        make(root, mount)?
    };
    if !rooted::same_kind(&tree, &target)? {
        return Err(Errno(libc::ENOTDIR).into());
    }
    if mount.recursive_set != 0 || mount.recursive_clear != 0 {
        tree.change(mount.recursive_set, mount.recursive_clear, true)?;
    }
    tree.attach(&target)?;
    mount
        .propagation
        .iter()
        .try_for_each(|flags| tree.propagate(*flags))?;
    Ok(is_late(mount).then_some(tree))
}

fn bind(root: &Root, mount: &Mount, source: Source) -> Result<(Tree, OwnedFd), Cause> {
    let recursive = mount.flags & libc::MS_REC != 0;
    let tree = match source {
        Source::Made(tree) => tree,
        Source::Opened(source) => Tree::copy_fd(&source, recursive)?,
        Source::Named => Tree::copy(&c_path(&mount.source)?, recursive)?,
    };
    let kind = if rooted::is_directory(&tree)? {
        Kind::Directory
    } else {
        Kind::File
    };
    let target = open_target(root, mount, kind, Some(&tree))?;
    // As a remount, which is made only when there is something to change.
    if mount.flags & !(libc::MS_BIND | libc::MS_REC) != 0 {
        tree.set_exactly(mount.flags)?;
    }
    Ok((tree, target))
}

fn make(root: &Root, mount: &Mount) -> Result<(Tree, OwnedFd), Cause> {
    let existed = root.resolve(&mount.destination).is_ok();
    let target = open_target(root, mount, Kind::Directory, None)?;
    let flags = if is_late(mount) {
        mount.flags & !libc::MS_RDONLY
    } else {
        mount.flags
    };
    let tree = match mount.kind.as_str() {
        "cgroup" | "cgroup2" => cgroup_view::make(&mount.source, flags, &mount.data)?,
        kind => {
            let kind = CString::new(kind).map_err(|_| Errno(libc::EINVAL))?;
            let data = tmpfs_data(mount, existed.then_some(&target))?;
            mount_api::new_file_system(&kind, &c_path(&mount.source)?, flags, &data)?
        }
    };
    if mount.copy_up {
        copy_up::copy(&target, &tree)?;
    }
    Ok((tree, target))
}

/// Whether a read-only mount is written to before it becomes so: devices are made in /dev.
fn is_late(mount: &Mount) -> bool {
    let is_new = mount.flags & libc::MS_BIND == 0;
    let is_read_only = mount.flags & libc::MS_RDONLY != 0;
    is_new
        && is_read_only
        && (mount.kind == "tmpfs" || normal(&mount.destination) == Path::new("/dev"))
}

/// A tmpfs without a mode of its own has that of the directory which it covers.
fn tmpfs_data(mount: &Mount, covered: Option<&OwnedFd>) -> Result<String, Errno> {
    let has_mode = mount
        .data
        .split(',')
        .any(|option| option.starts_with("mode="));
    let Some(covered) = covered.filter(|_| mount.kind == "tmpfs" && !has_mode) else {
        return Ok(mount.data.clone());
    };
    let mode = rooted::stat(covered)?.st_mode & 0o7777;
    Ok(format!("mode={mode:o},{}", mount.data))
}

/// Where the mount goes. What is missing is made, except in procfs.
///
/// A mount over a part of procfs could show the monitor and the container's programs a false
/// /proc (CVE-2019-16884), and one of procfs or sysfs through a symbolic link a false place
/// (CVE-2019-19921).
fn open_target(
    root: &Root,
    mount: &Mount,
    kind: Kind,
    tree: Option<&Tree>,
) -> Result<OwnedFd, Cause> {
    let destination = &mount.destination;
    let is_real = tree.is_none() && matches!(mount.kind.as_str(), "proc" | "sysfs");
    if is_real {
        match root.resolve_without_links(destination) {
            Ok(target) if rooted::is_directory(&target)? => return Ok(target),
            Ok(_) | Err(Errno(libc::ELOOP)) => return Err(Cause::NotOrdinary(mount.kind.clone())),
            Err(_) => {}
        }
    }
    let lexically = normal(destination);
    if ALLOWED_IN_PROC
        .iter()
        .any(|allowed| Path::new(allowed) == lexically)
    {
        if let Some(target) = resolve_in_proc(root, &lexically) {
            return Ok(target);
        }
    }
    let is_inside = lexically != Path::new("/proc") && lexically.starts_with("/proc");
    let target = match root.ensure(destination, kind) {
        // What cannot be made in procfs is not to be there.
        Err(_) if is_inside => return Err(Cause::InsideProc(destination.clone())),
        target => target?,
    };
    if lexically == Path::new("/proc") {
        let is_real = is_real || tree.is_some_and(|tree| rooted::is_procfs(tree).unwrap_or(false));
        return if is_real {
            Ok(target)
        } else {
            Err(Cause::NotProc(destination.clone()))
        };
    }
    if is_inside || rooted::is_procfs(&target)? {
        return Err(Cause::InsideProc(destination.clone()));
    }
    Ok(target)
}

/// The destination inside the procfs at /proc, which must be one; its own symbolic links
/// (`/proc/net`) are followed.
fn resolve_in_proc(root: &Root, destination: &Path) -> Option<OwnedFd> {
    let proc = root.resolve_without_links(Path::new("/proc")).ok()?;
    let name = c_path(destination.strip_prefix("/proc").ok()?).ok()?;
    openat2(
        proc.as_fd(),
        &name,
        libc::O_PATH,
        RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    )
    .ok()
}

/// Without `.`, `..` and doubled slashes, by the letters alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for component in path.components() {
        match component {
            std::path::Component::Normal(name) => normal.push(name),
            std::path::Component::ParentDir => {
                normal.pop();
            }
            _ => {}
        }
    }
    normal
}
