//! The container's root: propagation, the rootfs as a mount of its own, the change of root.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::mount_api::{mount, Tree, ATTR_RDONLY};
use super::rooted::{c_path, Root};
use crate::errno::{check, check_fd, Errno};
use crate::plan;

#[derive(Debug, thiserror::Error)]
#[error("rootfs {}: {step}: {errno}", path.display())]
pub struct RootfsError {
    path: PathBuf,
    step: &'static str,
    errno: Errno,
}

/// The rootfs of this mount namespace before the change of root.
#[derive(Debug)]
pub struct Rootfs<'a> {
    plan: &'a plan::Rootfs,
    mount: Tree,
    root: Root,
}

impl<'a> Rootfs<'a> {
    /// Cuts the namespace off from the host's as the plan says, and makes the rootfs a mount.
    pub fn prepare(plan: &'a plan::Rootfs) -> Result<Rootfs<'a>, RootfsError> {
        let failed = |step| {
            move |errno| RootfsError {
                path: plan.path.clone(),
                step,
                errno,
            }
        };
        // An unbindable rootfs could not be bound to itself now: it becomes unbindable at the end.
        let propagation = if plan.propagation & libc::MS_UNBINDABLE != 0 {
            libc::MS_PRIVATE | libc::MS_REC
        } else {
            plan.propagation
        };
        mount(None, c"/", propagation).map_err(failed("set propagation"))?;
        if propagation & libc::MS_SHARED != 0 {
            make_parent_private(&plan.path).map_err(failed("make the parent mount private"))?;
        }
        let path = c_path(&plan.path).map_err(failed("path"))?;
        let tree = Tree::copy(&path, true).map_err(failed("bind"))?;
        let target = Root::open(&plan.path).map_err(failed("open"))?;
        tree.attach(&target).map_err(failed("bind"))?;
        // Opened anew: this is the mount, `target` is what it covers.
        let root = Root::open(&plan.path).map_err(failed("open"))?;
        Ok(Rootfs {
            plan,
            mount: tree,
            root,
        })
    }

    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Makes the rootfs `/` of this mount namespace and of this process, and the old root
    /// unreachable. `beneath`: a file system that it is to cover. Says whether it does.
    pub fn enter(&self, beneath: Option<&Tree>) -> Result<(Root, bool), RootfsError> {
        let failed = |step| {
            move |errno| RootfsError {
                path: self.plan.path.clone(),
                step,
                errno,
            }
        };
        let mut covers = false;
        if self.plan.no_pivot {
            self.move_root().map_err(failed("move root"))?;
        } else {
            self.pivot().map_err(failed("pivot_root"))?;
            if let Some(tree) = beneath {
                self.put_beneath(tree).map_err(failed("pivot_root"))?;
                covers = true;
            }
        }
        // Private and slave are what everything is by now; saying it again would undo what single
        // mounts asked for.
        if self.plan.propagation & (libc::MS_SHARED | libc::MS_UNBINDABLE) != 0 {
            mount(None, c"/", self.plan.propagation).map_err(failed("set propagation"))?;
        }
        let root = Root::open(Path::new("/")).and_then(Root::into_private);
        Ok((root.map_err(failed("open"))?, covers))
    }

    /// The last step, when nothing is to be made in the rootfs any more.
    pub fn finish(&self) -> Result<(), RootfsError> {
        if !self.plan.readonly {
            return Ok(());
        }
        self.mount
            .change(ATTR_RDONLY, 0, false)
            .map_err(|errno| RootfsError {
                path: self.plan.path.clone(),
                step: "make read-only",
                errno,
            })
    }

    /// pivot_root(2), "pivot_root(".", ".")": both roots are held by descriptors, no directory is
    /// needed for the old one.
    fn pivot(&self) -> Result<(), Errno> {
        let old_root = open_directory("/")?;
        change_directory(&self.root)?;
        // SAFETY: both paths are C strings.
        check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
        change_directory(&old_root)?;
        // Unmounting must not reach the host.
        mount(None, c".", libc::MS_SLAVE | libc::MS_REC)?;
        // SAFETY: the path is a C string.
        check(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) })?;
        // SAFETY: the path is a C string.
        check(unsafe { libc::chdir(c"/".as_ptr()) })?;
        Ok(())
    }

    /// The same again, with the file system as the new root and the rootfs as the old one, which lies
    /// on it from then on and stays this process's root. No path leads from there to what it covers
    /// (pivot_root(2); path_resolution(7), "..").
    fn put_beneath(&self, tree: &Tree) -> Result<(), Errno> {
        let root = open_directory("/")?;
        tree.attach(&root)?;
        change_directory(tree)?;
        // SAFETY: both paths are C strings.
        check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
        change_directory(&root)?;
        // SAFETY: the path is a C string.
        check(unsafe { libc::chroot(c".".as_ptr()) })?;
        Ok(())
    }

    /// For a root on which pivot_root(2) does not work (an initial ramfs).
    fn move_root(&self) -> Result<(), Errno> {
        change_directory(&self.root)?;
        let path = c_path(&self.plan.path)?;
        mount(Some(&path), c"/", libc::MS_MOVE)?;
        // SAFETY: both paths are C strings.
        check(unsafe { libc::chroot(c".".as_ptr()) })?;
        // SAFETY: the path is a C string.
        check(unsafe { libc::chdir(c"/".as_ptr()) })?;
        Ok(())
    }
}

fn open_directory(path: &str) -> Result<OwnedFd, Errno> {
    let path = CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: the path is a C string.
    check_fd(unsafe {
        libc::open(
            path.as_ptr(),
            libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC,
        )
    })
}

pub fn change_directory(directory: impl AsFd) -> Result<(), Errno> {
    // SAFETY: fchdir(2) takes an open descriptor.
    check(unsafe { libc::fchdir(directory.as_fd().as_raw_fd()) })?;
    Ok(())
}

/// pivot_root(2) refuses a root whose parent mount is shared: finds the mount that holds the path
/// (statx(2), STATX_ATTR_MOUNT_ROOT) and makes this namespace's copy of it private.
fn make_parent_private(path: &Path) -> Result<(), Errno> {
    let path = path.canonicalize().map_err(Errno::from)?;
    for ancestor in path.ancestors() {
        let ancestor = c_path(ancestor)?;
        // SAFETY: statx(2) reads a C string and fills in the struct, whose fields are integers.
        let attributes = unsafe {
            let mut statx: libc::statx = std::mem::zeroed();
            check(libc::statx(
                libc::AT_FDCWD,
                ancestor.as_ptr(),
                0,
                0,
                &mut statx,
            ))?;
            statx.stx_attributes
        };
        if attributes & libc::STATX_ATTR_MOUNT_ROOT as u64 != 0 {
            return mount(None, &ancestor, libc::MS_PRIVATE);
        }
    }
    Ok(())
}
