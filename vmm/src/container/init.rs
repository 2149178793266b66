//! The container's init: sets the container up from the inside, tells the caller, waits for `start`,
//! and is the monitor of the program's microVM from then on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::cgroup::{CgroupError, Groups};
use super::credentials::{self, CredentialsError};
use super::devices::{self, DeviceError};
use super::fds;
use super::guest::{self, GuestError, Program};
use super::guest_hooks::{self, HookError, Surroundings};
use super::launcher::{FAILED, READY};
use super::masks::{self, MaskError};
use super::mount_api::Tree;
use super::mounts::{self, MountError};
use super::namespaces::Namespaces;
use super::procfs::Procfs;
use super::program::{self, ProgramError};
use super::rlimits::{self, Limits, RlimitError};
use super::rooted::Root;
use super::rootfs::{Rootfs, RootfsError};
use super::seccomp::{self, SeccompError};
use super::settings::{self, SettingsError};
use super::signals;
use crate::control::{Control, ControlError, Event};
use crate::errno::{check, Errno};
use crate::exit::{end_as, ExitStatus};
use crate::machine::{Factory, Loaded, MachineError};
use crate::plan::LaunchPlan;

/// What goes wrong inside, in runc's words: what it finds while it sets the container up is told
/// otherwise than what it finds of the program.
#[derive(Debug, thiserror::Error)]
enum InitError {
    #[error("unable to start container process: error during container init: {0}")]
    Setup(#[from] SetupError),
    #[error("unable to start container process: {0}")]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("exec fifo: {0}")]
    Fifo(Errno),
    #[error("unable to start container process: {0}")]
    Machine(#[from] MachineError),
    #[error("unable to start container process: {0}")]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error("whoever started the container has been told")]
    Told,
}

#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Rlimit(#[from] RlimitError),
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error("{step}: {errno}")]
    Step { step: &'static str, errno: Errno },
    #[error("the launcher is gone")]
    Orphaned,
}

fn step(step: &'static str) -> impl Fn(Errno) -> SetupError {
    move |errno| SetupError::Step { step, errno }
}

/// What the init gets from its launcher; all that it keeps are private descriptors.
pub struct Descriptors {
    pub host: HostFiles,
    pub groups: Option<Groups>,
    /// A socket: both tell each other one letter at a time.
    pub launcher: UnixStream,
}

/// What is opened on the host, with the launcher's rights.
pub struct HostFiles {
    pub kvm: OwnedFd,
    /// The unikernel's image.
    pub kernel: File,
    /// Where guests count what they did not get.
    pub missing: Option<OwnedFd>,
    /// An O_PATH descriptor of the exec fifo.
    pub fifo: Option<OwnedFd>,
}

/// Runs in the process that the launcher cloned, and ends it with the program's status.
pub fn run(
    plan: &LaunchPlan,
    limits: Limits,
    namespaces: &Namespaces,
    control: &mut Control,
    descriptors: Descriptors,
) -> ! {
    let Descriptors {
        host,
        groups,
        launcher,
    } = descriptors;
    let mut launcher = Some(launcher);
    let begun = begin(groups, &mut launcher).map_err(InitError::from);
    let ended = begun.and_then(|()| init(plan, limits, namespaces, control, host, &mut launcher));
    match ended {
        Ok(status) => end_as(status),
        // The launcher has told the caller why, if it could.
        Err(InitError::Setup(SetupError::Orphaned) | InitError::Told) => {
            end_as(ExitStatus::Code(1))
        }
        Err(error) => {
            // Who is gone hears nothing; the caller finds out by the closed socket.
            let _ = control.send(&Event::Error {
                message: &error.to_string(),
            });
            match launcher {
                Some(mut launcher) => {
                    let _ = launcher.write_all(&[FAILED]);
                }
                // The container's standard error is all that is left.
                None => {
                    let _ = writeln!(std::io::stderr(), "pinion: {error}");
                }
            }
            end_as(ExitStatus::Code(1))
        }
    }
}

fn init(
    plan: &LaunchPlan,
    limits: Limits,
    namespaces: &Namespaces,
    control: &mut Control,
    host: HostFiles,
    launcher: &mut Option<UnixStream>,
) -> Result<ExitStatus, InitError> {
    let HostFiles {
        kvm,
        kernel,
        missing,
        fifo,
    } = host;
    isolate(namespaces)?;
    // While the host's /proc and /sys are in sight, and nothing is given up yet.
    let factory = Factory::new(
        kvm,
        keep_private,
        kernel,
        missing,
        plan.machine.memory_limit,
    )?;
    let machine = factory.make()?;
    let factory = (!plan.start_container_hooks.is_empty()).then_some(factory);

    let rootfs = Rootfs::prepare(&plan.rootfs).map_err(SetupError::from)?;
    let read_only = furnish(plan, rootfs.root(), namespaces)?;
    for pause in &plan.pauses {
        control.pause(*pause)?;
    }
    cover(plan, rootfs.root())?;
    let procfs = Procfs::of_processes().map_err(step("mount a private procfs"))?;
    let root = rootfs.enter().map_err(SetupError::from)?;
    settings::apply(plan).map_err(SetupError::from)?;
    mounts::make_read_only(&read_only).map_err(step("remount"))?;
    rootfs.finish().map_err(SetupError::from)?;
    drop((rootfs, read_only));

    let env = program::environment(&plan.process, &root)?;
    become_process(plan, &root, namespaces)?;
    let (path, executable) = program::find(&plan.process, &procfs)?;
    let program = Program {
        path,
        executable,
        env,
        rlimits: limits,
        no_new_privileges: plan.process.no_new_privileges,
        verbose: plan.machine.verbose,
    };
    let loaded = guest::load(machine, &procfs, program)?;
    drop(root);
    tell_ready(control, launcher)?;

    let surroundings = factory.as_ref().map(|factory| Surroundings {
        factory,
        procfs: &procfs,
        rlimits: limits,
        no_new_privileges: plan.process.no_new_privileges,
    });
    let loaded = start(plan, loaded, fifo, &procfs, surroundings.as_ref())?;
    drop((factory, procfs));
    signals::reset();
    Ok(loaded.run().map_err(GuestError::from)?)
}

/// Joins the control groups while the launcher writes id maps and the like, then one byte.
fn begin(groups: Option<Groups>, launcher: &mut Option<UnixStream>) -> Result<(), SetupError> {
    signals::die_with_parent(libc::SIGKILL).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
    if let Some(mut groups) = groups {
        groups.join()?;
    }
    // A launcher that ended before this call is found by the closed socket.
    let read = launcher
        .as_mut()
        .map(|launcher| launcher.read_exact(&mut [0]));
    match read {
        Some(Ok(())) => Ok(()),
        _ => Err(SetupError::Orphaned),
    }
}

fn isolate(namespaces: &Namespaces) -> Result<(), SetupError> {
    // SAFETY: umask(2) and setsid(2) touch no memory.
    unsafe {
        // Modes of what is made below are meant as they are.
        libc::umask(0);
        check(libc::setsid()).map_err(step("setsid"))?;
    }
    if namespaces.makes_user() {
        credentials::become_root()?;
        signals::die_with_parent(libc::SIGKILL).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
    }
    if namespaces.make_cgroup {
        // SAFETY: unshare(2) takes flags.
        check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) })
            .map_err(step("unshare cgroup namespace"))?;
    }
    Ok(())
}

/// Mounts, devices and links in the rootfs, from outside of it. Returns what
/// [`mounts::make_read_only`] finishes.
fn furnish(
    plan: &LaunchPlan,
    root: &Root,
    namespaces: &Namespaces,
) -> Result<Vec<Tree>, InitError> {
    let read_only = mounts::mount_all(root, &plan.mounts).map_err(SetupError::from)?;
    devices::make_all(root, &plan.devices, namespaces.makes_user()).map_err(SetupError::from)?;
    devices::link_all(root, &plan.dev_links).map_err(SetupError::from)?;
    program::make_directory(root, &plan.process.cwd)?;
    Ok(read_only)
}

/// Masks and read-only paths. No hook runs any more; the host's /dev/null is still in sight.
fn cover(plan: &LaunchPlan, root: &Root) -> Result<(), SetupError> {
    let null = devices::host_null()?;
    masks::mask_all(root, &plan.masked_paths, &null)?;
    masks::make_read_only(root, &plan.readonly_paths)?;
    Ok(())
}

/// Everything that makes this process the user's: after this it has no privilege that the program
/// has not.
fn become_process(
    plan: &LaunchPlan,
    root: &Root,
    namespaces: &Namespaces,
) -> Result<(), InitError> {
    let process = &plan.process;
    rlimits::apply(&process.rlimits).map_err(SetupError::from)?;
    credentials::give_streams(process);
    // Once as root and, where the directory is the user's alone (NFS, FUSE), once as the user.
    let at_cwd = match program::change_directory(root, &process.cwd) {
        Err(ProgramError::Cwd {
            errno: Errno(libc::EACCES | libc::EPERM),
            ..
        }) => false,
        result => result.map(|()| true)?,
    };
    // Installing a filter takes CAP_SYS_ADMIN or no_new_privs, so it goes before the user, who may
    // have neither.
    if process.no_new_privileges {
        credentials::no_new_privileges().map_err(SetupError::from)?;
    }
    seccomp::install().map_err(SetupError::from)?;
    credentials::become_user(process).map_err(SetupError::from)?;
    // Other processes of the container must not look into the monitor (ptrace(2), "access mode
    // checking"). The memory of this process belongs to the user namespace of the launcher: with a
    // new one inside it, a user who owns the container without having privileges outside could not
    // open its /proc/PID/ns any more, so there the monitor stays dumpable.
    if !namespaces.makes_user() {
        // SAFETY: this operation takes numbers.
        check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })
            .map_err(step("prctl(PR_SET_DUMPABLE)"))?;
    }
    // A change of credentials takes the signal away.
    signals::die_with_parent(libc::SIGKILL).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
    if !at_cwd {
        program::change_directory(root, &process.cwd)?;
    }
    // SAFETY: umask(2) touches no memory.
    unsafe { libc::umask(process.umask.unwrap_or(0o022)) };
    Ok(())
}

/// From here on the container outlives the launcher, and neither it nor the caller is spoken to.
fn tell_ready(control: &mut Control, launcher: &mut Option<UnixStream>) -> Result<(), InitError> {
    signals::die_with_parent(0).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
    // The launcher hears it first: when the caller knows, the launcher's end no longer depends on
    // what becomes of this process.
    let told = launcher
        .take()
        .map(|mut launcher| launcher.write_all(&[READY]));
    if !matches!(told, Some(Ok(()))) {
        return Err(SetupError::Orphaned.into());
    }
    control.send(&Event::Ready)?;
    control.close();
    Ok(())
}

/// Waits for `start`, runs its hooks, and tells it whether the program runs.
fn start(
    plan: &LaunchPlan,
    loaded: Loaded,
    fifo: Option<OwnedFd>,
    procfs: &Procfs,
    surroundings: Option<&Surroundings>,
) -> Result<Loaded, InitError> {
    // Opening for writing waits for a reader.
    let answer = fifo
        .map(|fifo| procfs.reopen(&fifo, libc::O_WRONLY).map(File::from))
        .transpose()
        .map_err(InitError::Fifo)?;
    let ((loaded, answer), ran) = match surroundings {
        Some(surroundings) => {
            guest_hooks::run_all(&plan.start_container_hooks, surroundings, (loaded, answer))
        }
        None => ((loaded, answer), Ok(())),
    };
    match (ran, answer) {
        (Ok(()), None) => Ok(loaded),
        (Ok(()), Some(mut answer)) => {
            let told = answer.write_all(b"0");
            told.map_err(|error| InitError::Fifo(error.into()))?;
            Ok(loaded)
        }
        (Err(error), None) => Err(error.into()),
        (Err(error), Some(mut answer)) => match answer.write_all(error.to_string().as_bytes()) {
            Ok(()) => Err(InitError::Told),
            Err(_) => Err(error.into()),
        },
    }
}

/// New descriptors of the machine go out of the guest's reach.
fn keep_private(fd: OwnedFd) -> std::io::Result<OwnedFd> {
    fds::make_private(fd).map_err(|errno| std::io::Error::from_raw_os_error(errno.0))
}
