//! Idmapped mounts: bind mounts whose files show other owners. Only who rules the file system may make
//! them, so the launcher does, and the init attaches them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::clone::clone_into;
use super::launcher::wait;
use super::mount_api::Tree;
use super::namespaces::id_map;
use super::rooted::c_path;
use super::signals;
use crate::errno::Errno;
use crate::plan::{IdMap, Mount};

#[derive(Debug, thiserror::Error)]
pub enum IdMapError {
    #[error("failed to open_tree {}: {errno}", path.display())]
    Open { path: PathBuf, errno: Errno },
    #[error("failed to make a user namespace for the ids of {}: {errno}", path.display())]
    Namespace { path: PathBuf, errno: Errno },
    #[error("failed to set MOUNT_ATTR_IDMAP on {}: {errno} (maybe the filesystem used doesn't support idmap mounts on this kernel?)", path.display())]
    Map { path: PathBuf, errno: Errno },
}

/// The mounts that are idmapped, by their places in the plan; not yet attached.
pub fn open_all(mounts: &[Mount]) -> Result<Vec<Option<Tree>>, IdMapError> {
    let open = |mount: &Mount| match &mount.id_map {
        Some(map) => open(mount, map).map(Some),
        None => Ok(None),
    };
    mounts.iter().map(open).collect()
}

fn open(mount: &Mount, map: &IdMap) -> Result<Tree, IdMapError> {
    let path = || mount.source.clone();
    let recursive = mount.flags & libc::MS_REC != 0;
    let tree = c_path(&mount.source)
        .and_then(|source| Tree::copy(&source, recursive))
        .map_err(|errno| IdMapError::Open {
            path: path(),
            errno,
        })?;
    let namespace = user_namespace(map).map_err(|errno| IdMapError::Namespace {
        path: path(),
        errno,
    })?;
    tree.map_ids(&namespace, map.recursive)
        .map_err(|errno| IdMapError::Map {
            path: path(),
            errno,
        })?;
    Ok(tree)
}

/// A user namespace with these maps: it takes a process that is in it for a moment.
fn user_namespace(map: &IdMap) -> Result<File, Errno> {
    let (pid, _) = clone_into(libc::CLONE_NEWUSER, None)?;
    if pid == 0 {
        let _ = signals::die_with_parent(libc::SIGKILL);
        loop {
            // SAFETY: pause(2) takes nothing; a signal ends this process.
            unsafe { libc::pause() };
        }
    }
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let opened = write(&directory.join("gid_map"), &id_map(&map.gid_mappings))
        .and_then(|()| write(&directory.join("uid_map"), &id_map(&map.uid_mappings)))
        .and_then(|()| Ok(File::open(directory.join("ns/user"))?));
    // SAFETY: the child has not been waited for, so the pid is still its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let _ = wait(pid);
    opened
}

fn write(path: &Path, text: &str) -> Result<(), Errno> {
    Ok(fs::write(path, text)?)
}
