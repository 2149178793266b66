//! The launcher: the caller's child, outside the container. It opens what is the host's, makes the
//! namespaces and the init in them, and stays behind.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::cgroup::{CgroupError, Groups};
use super::clone::clone_into;
use super::fds;
use super::idmap::{self, IdMapError};
use super::init;
use super::join::make_process;
use super::line::{prepare_descriptors, Line};
use super::mount_api::{Tree, ATTR_RDONLY};
use super::namespaces::{id_map, NamespaceError, Namespaces};
use super::net_devices::{NetDeviceError, NetDevices};
use super::relay;
use super::rlimits::{self, RlimitError};
use super::rooted::c_path;
use super::scheduling::SchedulingError;
use super::terminal;
use super::ties::{Ties, READY};
use crate::control::{Control, ControlError, Event};
use crate::errno::{check, check_fd, Errno};
use crate::exit::{end_as, ExitStatus};
use crate::machine::{MISSING_FILE_BYTES, MISSING_FILE_HEAD};
use crate::plan::{self, LaunchPlan};

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
    #[error("unable to start container process: unable to apply cgroup configuration: {0}")]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    NetDevice(#[from] NetDeviceError),
    #[error(transparent)]
    Scheduling(#[from] SchedulingError),
    #[error(transparent)]
    IdMap(#[from] IdMapError),
    #[error(transparent)]
    Rlimit(#[from] RlimitError),
    #[error("failed to write {value:?} to {file}: {errno}")]
    Process {
        file: String,
        value: String,
        errno: Errno,
    },
    #[error("unable to make a process of the container: {0}")]
    Clone(Errno),
    #[error("{call}: {errno}")]
    Call { call: &'static str, errno: Errno },
    #[error("the container's process ended before it was ready: {0}")]
    InitDied(String),
}

/// Launches the container of the plan that arrives at descriptor `control_fd`, and ends this
/// process.
pub fn launch(control_fd: RawFd) -> ! {
    run(control_fd, make_init)
}

/// The same of a process that joins a container.
pub fn join(control_fd: RawFd) -> ! {
    run(control_fd, make_process)
}

/// A process that was made, and has not told yet whether its program can run.
pub struct Made {
    pid: libc::pid_t,
    /// To the process.
    stream: UnixStream,
    /// The launcher stays as its parent, if it is to.
    stay: Option<Stay>,
}

enum Stay {
    Silent,
    /// Between the container's terminal, which is received first, and the caller's.
    Terminal(UnixStream, OwnedFd),
}

impl Made {
    pub fn new(
        pid: libc::pid_t,
        stream: UnixStream,
        foreground: bool,
        caller: Option<(UnixStream, OwnedFd)>,
    ) -> Made {
        let stay = foreground.then(|| match caller {
            Some((socket, terminal)) => Stay::Terminal(socket, terminal),
            None => Stay::Silent,
        });
        Made { pid, stream, stay }
    }
}

type Make = fn(&mut Control) -> Result<Made, LaunchError>;

fn run(control_fd: RawFd, make: Make) -> ! {
    // SAFETY: this descriptor was given to the process for this and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(control_fd) };
    let mut control = Control::new(socket);
    let status = match start(&mut control, make) {
        Ok((_, None)) => ExitStatus::Code(0),
        Ok((pid, Some(stay))) => {
            drop(control);
            wait_for_end(pid, stay)
        }
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

fn wait_for_end(pid: libc::pid_t, stay: Stay) -> ExitStatus {
    let ended = match stay {
        Stay::Silent => {
            // Who waits must not hold the container's streams open. That it cannot fail on numbers is
            // all that could be said of an error.
            let _ = fds::close_all();
            wait(pid)
        }
        Stay::Terminal(socket, terminal) => {
            let _ = fds::close_guests(3);
            terminal::receive(&socket).and_then(|master| relay::serve(pid, master, terminal))
        }
    };
    ended.unwrap_or(ExitStatus::Code(1))
}

/// `Err(None)`: the new process has told the caller itself.
fn start(
    control: &mut Control,
    make: Make,
) -> Result<(libc::pid_t, Option<Stay>), Option<LaunchError>> {
    let Made {
        pid,
        mut stream,
        stay,
    } = make(control)?;
    let mut word = [0];
    match stream.read_exact(&mut word) {
        Ok(()) if word[0] == READY => Ok((pid, stay)),
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

fn make_init(control: &mut Control) -> Result<Made, LaunchError> {
    let plan: LaunchPlan = control.read_plan()?;
    let guest_limits = rlimits::of_guest(&plan.process.rlimits)?;
    let line = prepare_descriptors(control, plan.preserve_fds, &plan.process, plan.foreground)?;
    let terminal = line.terminal(plan.process.terminal);
    let Line { socket, caller } = line;
    let mut host = HostFiles::open(&plan.machine, plan.exec_fifo.as_deref())?;
    host.idmapped = idmap::open_all(&plan.mounts)?;
    let host_proc = open(Path::new("/proc"), libc::O_PATH | libc::O_DIRECTORY)?;

    let mut namespaces = Namespaces::open(&plan.namespaces)?;
    let groups = plan.cgroup.as_ref().map(Groups::create).transpose()?;
    let devices = NetDevices::find(&plan.net_devices)?;
    namespaces.join()?;

    let (ours, theirs) = socket_pair()?;
    let (pid, unified) = clone_into(namespaces.make, groups.as_ref().and_then(Groups::unified))
        .map_err(LaunchError::Clone)?;
    if pid == 0 {
        drop((ours, host_proc, caller));
        let ties = Ties::new(control, theirs, socket.zip(terminal));
        init::run(&plan, guest_limits, &namespaces, ties, host, groups)
    }
    drop((theirs, socket));
    let child = Child { host_proc, pid };
    let left = if unified { None } else { groups };
    let made = Made::new(pid, ours, plan.foreground, caller);
    release(control, made, left, || {
        if namespaces.makes_user() {
            child.write_id_maps(&plan)?;
        }
        if let Some(devices) = devices {
            devices.move_into(&child.network_namespace()?)?;
        }
        match plan.process.oom_score_adj {
            Some(score) => child.write("oom_score_adj", &score.to_string()),
            None => Ok(()),
        }
    })
}

/// What is opened on the host, with the launcher's rights; private descriptors.
pub struct HostFiles {
    pub kvm: OwnedFd,
    /// The unikernel's image.
    pub kernel: File,
    /// The monitor's own file.
    pub monitor: OwnedFd,
    /// Where guests count what they did not get.
    pub missing: Option<OwnedFd>,
    /// An O_PATH descriptor of the exec fifo.
    pub fifo: Option<OwnedFd>,
    /// Bind mounts to attach, by their places in the plan.
    pub idmapped: Vec<Option<Tree>>,
}

impl HostFiles {
    pub fn open(machine: &plan::Machine, fifo: Option<&Path>) -> Result<HostFiles, LaunchError> {
        Ok(HostFiles {
            kvm: private(open_kvm()?)?,
            kernel: private(open_kernel(&machine.kernel)?)?.into(),
            monitor: private(open(Path::new("/proc/self/exe"), libc::O_PATH)?)?,
            missing: machine
                .missing
                .as_ref()
                .map(|path| open_missing(path).and_then(private))
                .transpose()?,
            fifo: fifo
                .map(|path| open(path, libc::O_PATH).and_then(private))
                .transpose()?,
            idmapped: Vec::new(),
        })
    }
}

/// The file that the runtime made for the counts also has what monitors remember.
fn open_missing(path: &Path) -> Result<OwnedFd, LaunchError> {
    let file = File::from(open(path, libc::O_RDWR)?);
    let failed = |error: std::io::Error| LaunchError::Call {
        call: "ftruncate",
        errno: error.into(),
    };
    if file.metadata().map_err(failed)?.len() < MISSING_FILE_BYTES {
        file.set_len(MISSING_FILE_BYTES).map_err(failed)?;
        // A page that a full file system has no room for would end whoever touches it. Some have no fallocate(2).
        // SAFETY: the call takes numbers only.
        let result =
            check(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, MISSING_FILE_HEAD as i64) });
        match result {
            Ok(_) | Err(Errno(libc::EOPNOTSUPP)) => {}
            Err(errno) => {
                return Err(LaunchError::Call {
                    call: "fallocate",
                    errno,
                })
            }
        }
    }
    Ok(file.into())
}

/// (the launcher's, the new process's)
pub fn socket_pair() -> Result<(UnixStream, UnixStream), LaunchError> {
    let failed = |errno| LaunchError::Call {
        call: "socketpair",
        errno,
    };
    let (ours, theirs) = UnixStream::pair().map_err(|error| failed(error.into()))?;
    Ok((ours, private(theirs.into())?.into()))
}

pub fn private(fd: OwnedFd) -> Result<OwnedFd, LaunchError> {
    fds::make_private(fd).map_err(|errno| LaunchError::Call { call: "dup", errno })
}

/// Does to the new process what only the host may, tells the caller of it and lets it go on.
///
/// `groups`: it is still to be added to that of version 2.
pub fn release(
    control: &mut Control,
    mut made: Made,
    groups: Option<Groups>,
    settle: impl FnOnce() -> Result<(), LaunchError>,
) -> Result<Made, LaunchError> {
    let pid = made.pid;
    let tell = || {
        settle()?;
        if let Some(mut groups) = groups {
            groups.add_to_unified(pid)?;
        }
        Ok(control.send(&Event::Pid { pid })?)
    };
    if let Err(error) = tell() {
        // SAFETY: the child has not been waited for, so the pid is still its own.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        let _ = wait(pid);
        return Err(error);
    }
    // Should the process be dead, reading from it tells so.
    let _ = made.stream.write_all(b"g");
    Ok(made)
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

    fn network_namespace(&self) -> Result<File, LaunchError> {
        let name = format!("{}/ns/net", self.pid);
        let failed = |errno| LaunchError::Open {
            path: Path::new("/proc").join(&name),
            errno,
        };
        let path = c_path(Path::new(&name)).map_err(failed)?;
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        // SAFETY: the path is a C string.
        check_fd(unsafe { libc::openat(self.host_proc.as_raw_fd(), path.as_ptr(), flags) })
            .map(File::from)
            .map_err(failed)
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

/// Writes a file of this process's directory in /proc.
pub fn write_own(file: &str, value: &str) -> Result<(), LaunchError> {
    let path = format!("/proc/self/{file}");
    std::fs::write(&path, value).map_err(|error| LaunchError::Process {
        file: path,
        value: value.to_owned(),
        errno: error.into(),
    })
}

/// The kernel's image, which who has taken a monitor over cannot open for writing by that descriptor,
/// where this process may see to it: all containers run it.
fn open_kernel(path: &Path) -> Result<OwnedFd, LaunchError> {
    let failed = |errno| LaunchError::Open {
        path: path.to_owned(),
        errno,
    };
    match Tree::copy(&c_path(path).map_err(failed)?, false) {
        Ok(tree) => {
            tree.change(ATTR_RDONLY, 0, false).map_err(failed)?;
            let name = format!("/proc/self/fd/{}", tree.as_fd().as_raw_fd());
            open(Path::new(&name), libc::O_RDONLY)
        }
        Err(Errno(libc::EPERM)) => open(path, libc::O_RDONLY),
        Err(errno) => Err(failed(errno)),
    }
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

pub fn open(path: &Path, flags: i32) -> Result<OwnedFd, LaunchError> {
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
