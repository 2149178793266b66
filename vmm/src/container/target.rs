//! A process whose namespaces are joined.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use super::fds;
use super::namespaces::NamespaceError;
use crate::errno::{check, check_fd, Errno};
use crate::exec::key;
use crate::plan::{InitProcess, NamespaceKind};

const KINDS: [(NamespaceKind, &str); 8] = [
    (NamespaceKind::User, "user"),
    (NamespaceKind::Mount, "mnt"),
    (NamespaceKind::Pid, "pid"),
    (NamespaceKind::Network, "net"),
    (NamespaceKind::Ipc, "ipc"),
    (NamespaceKind::Uts, "uts"),
    (NamespaceKind::Cgroup, "cgroup"),
    (NamespaceKind::Time, "time"),
];

#[derive(Debug)]
pub struct Target {
    pid: i32,
    /// A private descriptor.
    pidfd: OwnedFd,
    /// CLONE_NEW* of the namespaces that are not this process's own, and are still to be joined.
    others: i32,
    joined: i32,
}

impl Target {
    /// An error if the process that the plan means is gone.
    pub fn open(process: InitProcess) -> Result<Target, NamespaceError> {
        let target = Target::of_pid(process.pid)?;
        // The descriptor holds on to one process: if that is the right one, it stays so.
        if start_time(process.pid) != Some(process.start_time) {
            return Err(target.failed(Errno(libc::ESRCH)));
        }
        Ok(target)
    }

    pub fn of_pid(pid: i32) -> Result<Target, NamespaceError> {
        let failed = |errno| NamespaceError::Process { pid, errno };
        // SAFETY: pidfd_open(2) takes numbers.
        let pidfd = check_fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })
            .and_then(fds::make_private)
            .map_err(failed)?;
        let mut others = 0;
        for (kind, name) in KINDS {
            let identity = |process: &str| {
                let namespace = fs::metadata(format!("/proc/{process}/ns/{name}"))?;
                Ok((namespace.dev(), namespace.ino()))
            };
            let own: std::io::Result<_> = identity("self");
            // A kernel without a kind has no file for it.
            let Ok(own) = own else { continue };
            let theirs: std::io::Result<_> = identity(&pid.to_string());
            if theirs.map_err(|error| failed(error.into()))? != own {
                others |= kind.flag();
            }
        }
        Ok(Target {
            pid,
            pidfd,
            others,
            joined: 0,
        })
    }

    /// Its container's key, if it has one.
    pub fn key(&self) -> Option<OwnedFd> {
        key::held_by(self.pid, &self.pidfd)
    }

    /// The pid namespace, for the children of this process. The user namespace that owns it, too, if it
    /// takes that.
    pub fn join_processes(&mut self) -> Result<(), NamespaceError> {
        let processes = self.others & libc::CLONE_NEWPID;
        let user = self.others & libc::CLONE_NEWUSER;
        match self.set(processes) {
            Err(NamespaceError::Process {
                errno: Errno(libc::EPERM),
                ..
            }) if user != 0 => self.set(processes | user),
            result => result,
        }
    }

    /// All others: the root and the working directory are the container's from then on.
    pub fn join_rest(&mut self) -> Result<(), NamespaceError> {
        self.set(self.others)
    }

    pub fn joined_user(&self) -> bool {
        self.joined & libc::CLONE_NEWUSER != 0
    }

    /// setns(2) joins all or none.
    fn set(&mut self, kinds: i32) -> Result<(), NamespaceError> {
        if kinds == 0 {
            return Ok(());
        }
        // SAFETY: setns(2) takes numbers; this process has one thread.
        check(unsafe { libc::setns(self.pidfd.as_raw_fd(), kinds) })
            .map_err(|errno| self.failed(errno))?;
        self.joined |= kinds;
        self.others &= !kinds;
        Ok(())
    }

    fn failed(&self, errno: Errno) -> NamespaceError {
        NamespaceError::Process {
            pid: self.pid,
            errno,
        }
    }
}

/// Field 22 of /proc/PID/stat (proc(5)).
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, may have any bytes.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
    fields.split(' ').nth(19)?.parse().ok()
}
