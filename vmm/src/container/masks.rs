//! Masked and read-only paths.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::mount_api::{new_file_system, Tree, ATTR_RDONLY};
use super::rooted::{self, Root};
use crate::errno::Errno;

#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    #[error("can't mask path {}: {errno}", path.display())]
    Mask { path: PathBuf, errno: Errno },
    #[error("can't make {path:?} read-only: {errno}")]
    ReadOnly { path: PathBuf, errno: Errno },
}

/// Covers files with `null` (the host's /dev/null) and directories with an empty read-only tmpfs.
/// What is not there needs no cover.
pub fn mask_all(root: &Root, paths: &[PathBuf], null: &OwnedFd) -> Result<(), MaskError> {
    let mut empty = None;
    paths.iter().try_for_each(|path| {
        mask(root, path, null, &mut empty).map_err(|errno| MaskError::Mask {
            path: path.clone(),
            errno,
        })
    })
}

fn mask(root: &Root, path: &Path, null: &OwnedFd, empty: &mut Option<Tree>) -> Result<(), Errno> {
    let Some(target) = existing(root, path)? else {
        return Ok(());
    };
    if !rooted::is_directory(&target)? {
        return Tree::copy_fd(null, false)?.attach(&target);
    }
    // One file system for all: the first cover is made, the others are copies of it.
    let cover = match empty {
        Some(first) => Tree::copy_fd(&*first, false)?,
        None => new_file_system(c"tmpfs", c"tmpfs", libc::MS_RDONLY, "size=0k,nr_inodes=2")?,
    };
    cover.attach(&target)?;
    empty.get_or_insert(cover);
    Ok(())
}

/// Binds each path to itself, read-only.
pub fn make_read_only(root: &Root, paths: &[PathBuf]) -> Result<(), MaskError> {
    paths.iter().try_for_each(|path| {
        read_only(root, path).map_err(|errno| MaskError::ReadOnly {
            path: path.clone(),
            errno,
        })
    })
}

fn read_only(root: &Root, path: &Path) -> Result<(), Errno> {
    let Some(target) = existing(root, path)? else {
        return Ok(());
    };
    let tree = Tree::copy_fd(&target, true)?;
    tree.change(ATTR_RDONLY, 0, false)?;
    tree.attach(&target)
}

fn existing(root: &Root, path: &Path) -> Result<Option<OwnedFd>, Errno> {
    match root.resolve(path) {
        Ok(target) => Ok(Some(target)),
        Err(Errno(libc::ENOENT)) => Ok(None),
        Err(errno) => Err(errno),
    }
}
