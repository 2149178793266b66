//! The container's init: sets the container up from the inside, tells the caller, waits for `start`,
//! and is the monitor of the program's microVM from then on.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use super::cgroup::Groups;
use super::clocks;
use super::confine::{self, Setting};
use super::credentials;
use super::devices;
use super::failure::{step, InitError, SetupError};
use super::fds;
use super::guest::GuestError;
use super::guest_hooks::{self, Surroundings};
use super::launcher::HostFiles;
use super::masks;
use super::mount_api::Tree;
use super::mounts::{self, Source};
use super::namespaces::Namespaces;
use super::procfs::Procfs;
use super::program::{self, ProgramError};
use super::rlimits::Limits;
use super::rooted::Root;
use super::rootfs::Rootfs;
use super::scheduling;
use super::settings;
use super::signals;
use super::ties::Ties;
use crate::errno::check;
use crate::exec::key;
use crate::exit::ExitStatus;
use crate::machine::{Factory, Loaded};
use crate::plan::LaunchPlan;

/// Runs in the process that the launcher cloned, and ends it with the program's status.
pub fn run(
    plan: &LaunchPlan,
    limits: Limits,
    namespaces: &Namespaces,
    mut ties: Ties,
    host: HostFiles,
    groups: Option<Groups>,
) -> ! {
    let begun = ties.begin(groups).map_err(InitError::from);
    let ended = begun.and_then(|()| init(plan, limits, namespaces, &mut ties, host));
    ties.end(ended)
}

fn init(
    plan: &LaunchPlan,
    limits: Limits,
    namespaces: &Namespaces,
    ties: &mut Ties,
    host: HostFiles,
) -> Result<ExitStatus, InitError> {
    let HostFiles {
        kvm,
        kernel,
        monitor,
        missing,
        fifo,
        idmapped,
    } = host;
    let sources = mounts::open_sources(&plan.mounts, idmapped, namespaces.makes_user());
    isolate(plan, namespaces)?;
    scheduling::bind(&plan.machine).map_err(SetupError::from)?;
    // While the host's /proc and /sys are in sight, and nothing is given up yet.
    let machine_limits = plan.machine.limits();
    let factory = Factory::new(
        kvm,
        fds::keep_private,
        kernel,
        monitor,
        missing,
        machine_limits,
    )?;
    let machine = factory.make()?;

    let rootfs = Rootfs::prepare(&plan.rootfs).map_err(SetupError::from)?;
    let read_only = furnish(plan, rootfs.root(), sources, namespaces)?;
    for pause in &plan.pauses {
        ties.pause(*pause)?;
    }
    cover(plan, rootfs.root())?;
    let procfs = Procfs::of_processes().map_err(step("mount a private procfs"))?;
    let sysctls = settings::open_procfs(plan).map_err(SetupError::from)?;
    let key = key_file_system(plan, &factory)?;
    let (root, has_key) = rootfs.enter(key.as_ref()).map_err(SetupError::from)?;
    if let Some(key) = key.filter(|_| has_key) {
        factory.set_key(key::open(&key).map_err(step("open the key"))?);
    }
    let factory = (!plan.start_container_hooks.is_empty()).then_some(factory);
    if let Some(terminal) = ties.open_terminal(&root, &procfs, &plan.process)? {
        terminal
            .mount_on_console(&root)
            .and_then(|()| terminal.take())
            .map_err(SetupError::from)?;
    }
    settings::apply(plan, sysctls.as_ref()).map_err(SetupError::from)?;
    mounts::make_read_only(&read_only).map_err(step("remount"))?;
    rootfs.finish().map_err(SetupError::from)?;
    drop((rootfs, read_only, sysctls));

    // SAFETY: umask(2) touches no memory.
    unsafe { libc::umask(0o022) };
    let setting = Setting {
        root: &root,
        procfs: &procfs,
        limits,
        verbose: plan.machine.verbose,
        // The memory of this process belongs to the user namespace of the launcher: with a new one
        // inside it, a user who owns the container without having privileges outside could not open its
        // /proc/PID/ns any more, so there the monitor stays dumpable.
        dumpable: namespaces.makes_user(),
    };
    // Without a program a container can be created and not started (runtime-spec, config.md "Process").
    let loaded = if plan.process.args.is_empty() {
        None
    } else {
        Some(confine::become_program(&plan.process, machine, &setting)?)
    };
    drop(root);
    ties.tell_ready()?;

    let surroundings = match &factory {
        Some(factory) => Some(Surroundings {
            factory,
            procfs: &procfs,
            rlimits: limits,
            filters: confine::filters(&plan.process)?,
        }),
        None => None,
    };
    let loaded = start(plan, loaded, fifo, &procfs, surroundings.as_ref())?;
    drop((factory, procfs));
    signals::reset();
    Ok(loaded.run().map_err(GuestError::from)?)
}

fn isolate(plan: &LaunchPlan, namespaces: &Namespaces) -> Result<(), SetupError> {
    // SAFETY: umask(2) and setsid(2) touch no memory.
    unsafe {
        // Modes of what is made below are meant as they are.
        libc::umask(0);
        check(libc::setsid()).map_err(step("setsid"))?;
    }
    // Before a change of user, after which the files of this process in /proc are closed to it.
    if namespaces.make_time {
        clocks::enter_new_namespace(&plan.time_offsets)?;
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
    sources: Vec<Source>,
    namespaces: &Namespaces,
) -> Result<Vec<Tree>, InitError> {
    let read_only = mounts::mount_all(root, &plan.mounts, sources).map_err(SetupError::from)?;
    devices::make_all(root, &plan.devices, namespaces.makes_user()).map_err(SetupError::from)?;
    devices::link_all(root, &plan.dev_links).map_err(SetupError::from)?;
    program::make_directory(root, &plan.process.cwd)?;
    Ok(read_only)
}

/// Where programs of the container may gain rights, the file system of the key to that.
fn key_file_system(plan: &LaunchPlan, factory: &Factory) -> Result<Option<Tree>, InitError> {
    if plan.process.no_new_privileges {
        return Ok(None);
    }
    let filters = confine::filters(&plan.process)?.to_words(0);
    let tree = key::file_system(factory, filters, plan.machine.verbose);
    Ok(tree.map_err(step("make the key"))?)
}

/// Masks and read-only paths. No hook runs any more; the host's /dev/null is still in sight.
fn cover(plan: &LaunchPlan, root: &Root) -> Result<(), SetupError> {
    let null = devices::host_null()?;
    masks::mask_all(root, &plan.masked_paths, &null)?;
    masks::make_read_only(root, &plan.readonly_paths)?;
    Ok(())
}

/// Waits for `start`, runs its hooks, and tells it whether the program runs.
fn start(
    plan: &LaunchPlan,
    loaded: Option<Loaded>,
    fifo: Option<OwnedFd>,
    procfs: &Procfs,
    surroundings: Option<&Surroundings>,
) -> Result<Loaded, InitError> {
    // Opening for writing waits for a reader.
    let answer = fifo
        .map(|fifo| procfs.reopen(&fifo, libc::O_WRONLY).map(File::from))
        .transpose()
        .map_err(InitError::Fifo)?;
    let Some(loaded) = loaded else {
        return Err(refuse(ProgramError::None.into(), answer));
    };
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
        (Err(error), answer) => Err(refuse(error.into(), answer)),
    }
}

/// Tells who starts the container why its program does not run.
fn refuse(error: InitError, answer: Option<File>) -> InitError {
    let told = answer.map(|mut answer| answer.write_all(error.to_string().as_bytes()));
    match told {
        Some(Ok(())) => InitError::Told,
        _ => error,
    }
}
