//! Namespaces: which are made by clone3(2), which are joined by setns(2), and id maps.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::errno::{check, Errno};
use crate::plan::{IdMapping, Namespace, NamespaceKind};

#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    #[error("namespace path: open {}: {errno}", path.display())]
    Open { path: PathBuf, errno: Errno },
    #[error("namespace path: {} is no {kind} namespace", path.display())]
    Kind { path: PathBuf, kind: &'static str },
    #[error("namespace path: join {}: {errno}", path.display())]
    Join { path: PathBuf, errno: Errno },
    #[error("join the namespaces of process {pid}: {errno}")]
    Process { pid: i32, errno: Errno },
    #[error("a container needs a mount namespace")]
    NoMountNamespace,
}

impl NamespaceKind {
    /// CLONE_NEW* of clone(2).
    pub fn flag(self) -> i32 {
        match self {
            NamespaceKind::Cgroup => libc::CLONE_NEWCGROUP,
            NamespaceKind::Ipc => libc::CLONE_NEWIPC,
            NamespaceKind::Mount => libc::CLONE_NEWNS,
            NamespaceKind::Network => libc::CLONE_NEWNET,
            NamespaceKind::Pid => libc::CLONE_NEWPID,
            NamespaceKind::Time => 0x80, // CLONE_NEWTIME
            NamespaceKind::User => libc::CLONE_NEWUSER,
            NamespaceKind::Uts => libc::CLONE_NEWUTS,
        }
    }

    fn name(self) -> &'static str {
        match self {
            NamespaceKind::Cgroup => "cgroup",
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::Mount => "mount",
            NamespaceKind::Network => "network",
            NamespaceKind::Pid => "pid",
            NamespaceKind::Time => "time",
            NamespaceKind::User => "user",
            NamespaceKind::Uts => "uts",
        }
    }
}

/// What a plan's list of namespaces asks for.
#[derive(Debug)]
pub struct Namespaces {
    /// CLONE_NEW* flags for clone3(2).
    pub make: i32,
    /// The init unshares its cgroup namespace when it is in its cgroup, which becomes the root.
    pub make_cgroup: bool,
    /// The init makes its time namespace itself, whose offsets it sets.
    pub make_time: bool,
    join: Vec<(NamespaceKind, PathBuf, OwnedFd)>,
}

impl Namespaces {
    pub fn open(list: &[Namespace]) -> Result<Namespaces, NamespaceError> {
        if !list
            .iter()
            .any(|namespace| namespace.kind == NamespaceKind::Mount)
        {
            return Err(NamespaceError::NoMountNamespace);
        }
        let mut namespaces = Namespaces {
            make: 0,
            make_cgroup: false,
            make_time: false,
            join: Vec::new(),
        };
        for Namespace { kind, path } in list {
            match path {
                None if *kind == NamespaceKind::Cgroup => namespaces.make_cgroup = true,
                None if *kind == NamespaceKind::Time => namespaces.make_time = true,
                None => namespaces.make |= kind.flag(),
                Some(path) => {
                    let file = File::open(path).map_err(|error| NamespaceError::Open {
                        path: path.clone(),
                        errno: error.into(),
                    })?;
                    namespaces.join.push((*kind, path.clone(), file.into()));
                }
            }
        }
        Ok(namespaces)
    }

    pub fn makes_user(&self) -> bool {
        self.make & libc::CLONE_NEWUSER != 0
    }

    /// Joins the given ones; the calling process' next child is in them, pid namespace included.
    ///
    /// Those that the caller may join go first, with its own privileges; the rest may belong to the
    /// user namespace and are joined from inside it. The mount namespace is the last, as it takes
    /// the paths away.
    pub fn join(&mut self) -> Result<(), NamespaceError> {
        let order = |kind: NamespaceKind| match kind {
            NamespaceKind::User => 1,
            NamespaceKind::Mount => 2,
            _ => 0,
        };
        self.join.sort_by_key(|(kind, ..)| order(*kind));
        let joins_user = self
            .join
            .iter()
            .any(|(kind, ..)| *kind == NamespaceKind::User);
        let mut later = Vec::new();
        for (kind, path, file) in self.join.drain(..) {
            match set_namespace(kind, &path, &file) {
                Err(NamespaceError::Join {
                    errno: Errno(libc::EPERM),
                    ..
                }) if joins_user && order(kind) == 0 => {
                    later.push((kind, path, file));
                }
                result => result?,
            }
        }
        later
            .iter()
            .try_for_each(|(kind, path, file)| set_namespace(*kind, path, file))
    }
}

fn set_namespace(kind: NamespaceKind, path: &Path, file: &OwnedFd) -> Result<(), NamespaceError> {
    // SAFETY: setns(2) takes numbers; this process has one thread.
    check(unsafe { libc::setns(file.as_raw_fd(), kind.flag()) }).map_err(|errno| match errno {
        Errno(libc::EINVAL) if !is_of_kind(kind, file) => NamespaceError::Kind {
            path: path.to_owned(),
            kind: kind.name(),
        },
        errno => NamespaceError::Join {
            path: path.to_owned(),
            errno,
        },
    })?;
    Ok(())
}

/// NS_GET_NSTYPE of ioctl_ns(2).
fn is_of_kind(kind: NamespaceKind, file: &OwnedFd) -> bool {
    const NS_GET_NSTYPE: libc::c_ulong = 0xb703;
    // SAFETY: this request takes no argument.
    unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE) == kind.flag() }
}

/// The text of `/proc/PID/uid_map`.
pub fn id_map(mappings: &[IdMapping]) -> String {
    mappings
        .iter()
        .map(|map| format!("{} {} {}\n", map.container_id, map.host_id, map.size))
        .collect()
}
