//! The launcher: the caller's child, outside the container. It opens what is the host's, makes the
//! namespaces and the init in them, and stays behind.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::cgroup::{CgroupError, Groups};
use super::fds;
use super::init::{self, HostFiles};
use super::namespaces::{id_map, NamespaceError, Namespaces};
use super::rlimits::{self, RlimitError};
use super::rooted::c_path;
use crate::control::{Control, ControlError, Event};
use crate::errno::{check, check_fd, Errno};
use crate::exit::{end_as, ExitStatus};
use crate::plan::LaunchPlan;

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("unable to stat preserved-fd {index} (of {count}): {errno}")]
    PreservedFd {
        index: u32,
        count: u32,
        errno: Errno,
    },
    #[error("/dev/kvm is missing: load kvm_intel, kvm_amd or kvm_pvm, or enable nested virtualisation for this machine")]
    NoKvm,
    #[error(
        "no permission to open /dev/kvm: run as root, or join the group that owns it (usually kvm)"
    )]
    KvmPermission,
    #[error("open /dev/kvm: {0}")]
    Kvm(Errno),
    #[error("open {}: {errno}", path.display())]
    Open { path: PathBuf, errno: Errno },
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Rlimit(#[from] RlimitError),
    #[error("failed to write {value:?} to {file}: {errno}")]
    Process {
        file: String,
        value: String,
        errno: Errno,
    },
    #[error("unable to make the container's init: {0}")]
    Clone(Errno),
    #[error("{call}: {errno}")]
    Call { call: &'static str, errno: Errno },
    #[error("the container's init ended before it was ready: {0}")]
    InitDied(String),
}

/// linux/sched.h, since Linux 5.7; this libc does not have it yet.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What an init tells its launcher when it has told the caller.
pub(super) const READY: u8 = b'R';
pub(super) const FAILED: u8 = b'E';

/// Launches the container of the plan that arrives at descriptor `control_fd`, and ends this
/// process.
pub fn launch(control_fd: RawFd) -> ! {
    // SAFETY: this descriptor was given to the process for this and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(control_fd) };
    let mut control = Control::new(socket);
    let status = match start(&mut control) {
        Ok(Launched {
            pid,
            foreground: true,
        }) => {
            drop(control);
            // Who waits must not hold the container's streams open. That it cannot fail on numbers
            // is all that could be said of an error.
            let _ = fds::close_all();
            wait(pid).unwrap_or(ExitStatus::Code(1))
        }
        Ok(_) => ExitStatus::Code(0),
        Err(error) => {
            // If the caller is gone there is nobody to tell.
            if let Some(message) = error {
                let _ = control.send(&Event::Error {
                    message: &message.to_string(),
                });
            }
            ExitStatus::Code(1)
        }
    };
    end_as(status)
}

struct Launched {
    pid: libc::pid_t,
    foreground: bool,
}

/// `Err(None)`: the init has told the caller itself.
fn start(control: &mut Control) -> Result<Launched, Option<LaunchError>> {
    let plan = control.read_plan().map_err(LaunchError::from)?;
    let (pid, mut sync) = make_init(control, plan)?;
    let foreground = sync.foreground;
    let mut word = [0];
    match sync.stream.read_exact(&mut word) {
        Ok(()) if word[0] == READY => Ok(Launched { pid, foreground }),
        Ok(()) => {
            let _ = wait(pid);
            Err(None)
        }
        Err(_) => {
            let how = match wait(pid) {
                Ok(ExitStatus::Code(code)) => format!("exit status {code}"),
                Ok(ExitStatus::Signal(signal)) => format!("signal {signal}"),
                Err(errno) => errno.to_string(),
            };
            Err(Some(LaunchError::InitDied(how)))
        }
    }
}

struct Sync {
    stream: UnixStream,
    foreground: bool,
}

fn make_init(control: &mut Control, plan: LaunchPlan) -> Result<(libc::pid_t, Sync), LaunchError> {
    let guest_limits = rlimits::of_guest(&plan.process.rlimits)?;
    let failed = |call| move |errno| LaunchError::Call { call, errno };
    fds::raise_limit().map_err(failed("setrlimit"))?;
    fds::check_preserved(plan.preserve_fds).map_err(|(index, errno)| LaunchError::PreservedFd {
        index,
        count: plan.preserve_fds,
        errno,
    })?;
    control
        .make_private(plan.preserve_fds)
        .map_err(failed("dup"))?;

    let private = |fd: OwnedFd| fds::make_private(fd).map_err(failed("dup"));
    let host = HostFiles {
        kvm: private(open_kvm()?)?,
        kernel: private(open(&plan.machine.kernel, libc::O_RDONLY)?)?.into(),
        missing: plan
            .machine
            .missing
            .as_ref()
            .map(|path| open(path, libc::O_RDWR).and_then(private))
            .transpose()?,
        fifo: plan
            .exec_fifo
            .as_ref()
            .map(|path| open(path, libc::O_PATH).and_then(private))
            .transpose()?,
    };
    let host_proc = open(Path::new("/proc"), libc::O_PATH | libc::O_DIRECTORY)?;

    let mut namespaces = Namespaces::open(&plan.namespaces)?;
    let groups = plan.cgroup.as_ref().map(Groups::create).transpose()?;
    namespaces.join()?;

    let (ours, theirs) = UnixStream::pair().map_err(|error| failed("socketpair")(error.into()))?;
    let theirs = UnixStream::from(private(theirs.into())?);
    let (pid, unified) = clone_into(namespaces.make, groups.as_ref().and_then(Groups::unified))
        .map_err(LaunchError::Clone)?;
    if pid == 0 {
        drop((ours, host_proc));
        let descriptors = init::Descriptors {
            host,
            groups,
            launcher: theirs,
        };
        init::run(&plan, guest_limits, &namespaces, control, descriptors)
    }
    drop(theirs);
    let child = Child { host_proc, pid };
    let sync = Sync {
        stream: ours,
        foreground: plan.foreground,
    };
    let left = if unified { None } else { groups };
    match release(control, &plan, &child, left, &sync, namespaces.makes_user()) {
        Ok(()) => Ok((pid, sync)),
        Err(error) => {
            // SAFETY: the child has not been waited for, so the pid is still its own.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            let _ = wait(pid);
            Err(error)
        }
    }
}

/// Does to the new init what only the host may do, tells the caller of it and lets it go on.
fn release(
    control: &mut Control,
    plan: &LaunchPlan,
    child: &Child,
    groups: Option<Groups>,
    sync: &Sync,
    makes_user: bool,
) -> Result<(), LaunchError> {
    if makes_user {
        child.write_id_maps(plan)?;
    }
    if let Some(score) = plan.process.oom_score_adj {
        child.write("oom_score_adj", &score.to_string())?;
    }
    if let Some(mut groups) = groups {
        groups.add_to_unified(child.pid)?;
    }
    control.send(&Event::Pid { pid: child.pid })?;
    // Should the init be dead, reading from it tells so.
    let _ = (&sync.stream).write_all(b"g");
    Ok(())
}

/// The init's files in the /proc that the launcher was started with.
struct Child {
    host_proc: OwnedFd,
    pid: libc::pid_t,
}

impl Child {
    fn write(&self, file: &str, value: &str) -> Result<(), LaunchError> {
        let name = format!("{}/{file}", self.pid);
        let failed = |errno| LaunchError::Process {
            file: format!("/proc/{name}"),
            value: value.to_owned(),
            errno,
        };
        let path = c_path(Path::new(&name)).map_err(failed)?;
        let flags = libc::O_WRONLY | libc::O_CLOEXEC;
        // SAFETY: the path is a C string.
        let file =
            check_fd(unsafe { libc::openat(self.host_proc.as_raw_fd(), path.as_ptr(), flags) })
                .map_err(failed)?;
        File::from(file)
            .write_all(value.as_bytes())
            .map_err(|error| failed(error.into()))
    }

    fn write_id_maps(&self, plan: &LaunchPlan) -> Result<(), LaunchError> {
        let groups = id_map(&plan.gid_mappings);
        match self.write("gid_map", &groups) {
            // Without CAP_SETGID outside, only by giving up setgroups(2) (user_namespaces(7)).
            Err(LaunchError::Process {
                errno: Errno(libc::EPERM),
                ..
            }) => {
                self.write("setgroups", "deny")?;
                self.write("gid_map", &groups)?;
            }
            result => result?,
        }
        self.write("uid_map", &id_map(&plan.uid_mappings))
    }
}

/// As fork(2), with new namespaces for the child, in a control group of version 2 if it may be there
/// (clone(2), CLONE_INTO_CGROUP): returns whether it is.
fn clone_into(namespaces: i32, group: Option<&File>) -> Result<(libc::pid_t, bool), Errno> {
    if let Some(group) = group {
        if let Ok(pid) = clone(namespaces, Some(group)) {
            return Ok((pid, true));
        }
    }
    Ok((clone(namespaces, None)?, false))
}

fn clone(namespaces: i32, group: Option<&File>) -> Result<libc::pid_t, Errno> {
    // libc keeps its thread's id where the kernel clears it at the end; the child's must be its own.
    let mut thread_id: *mut libc::pid_t = std::ptr::null_mut();
    // SAFETY: PR_GET_TID_ADDRESS writes one pointer.
    let known = check(unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &mut thread_id) }).is_ok();
    // SAFETY: clone_args consists of integers; zero is a value of each.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces as u64;
    if known && !thread_id.is_null() {
        args.flags |= (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
        args.child_tid = thread_id as u64;
    }
    if let Some(group) = group {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has a copy of this process, which has one thread, so every
    // lock and invariant is as it was.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<libc::clone_args>()) })?;
    Ok(pid as libc::pid_t)
}

fn open_kvm() -> Result<OwnedFd, LaunchError> {
    open(Path::new("/dev/kvm"), libc::O_RDWR).map_err(|error| match error {
        LaunchError::Open {
            errno: Errno(libc::ENOENT | libc::ENXIO | libc::ENODEV),
            ..
        } => LaunchError::NoKvm,
        LaunchError::Open {
            errno: Errno(libc::EACCES | libc::EPERM),
            ..
        } => LaunchError::KvmPermission,
        LaunchError::Open { errno, .. } => LaunchError::Kvm(errno),
        other => other,
    })
}

fn open(path: &Path, flags: i32) -> Result<OwnedFd, LaunchError> {
    let failed = |errno| LaunchError::Open {
        path: path.to_owned(),
        errno,
    };
    let name = c_path(path).map_err(failed)?;
    // SAFETY: the path is a C string.
    check_fd(unsafe { libc::open(name.as_ptr(), flags | libc::O_CLOEXEC) }).map_err(failed)
}

/// Waits for a child's end.
pub(super) fn wait(pid: libc::pid_t) -> Result<ExitStatus, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: waitpid(2) writes one integer.
        match check(unsafe { libc::waitpid(pid, &mut status, 0) }) {
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
            Ok(_) => return Ok(ExitStatus::from_wait(status)),
        }
    }
}
