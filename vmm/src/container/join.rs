//! One more process of a container (`exec`): it joins the namespaces and control groups of the init and
//! is the monitor of a microVM of its own.
//!
//! The container is hostile by now, so what is the host's is opened before, and nobody in it can look
//! into the new process at any time (CVE-2016-9962, CVE-2019-5736).

use std::os::fd::OwnedFd;

use super::cgroup::Groups;
use super::clone::clone_into;
use super::confine::{self, Setting};
use super::credentials;
use super::failure::{step, InitError, SetupError};
use super::fds;
use super::guest::GuestError;
use super::launcher::{self, HostFiles, LaunchError, Made};
use super::line::{prepare_descriptors, Line};
use super::procfs::Procfs;
use super::rlimits::{self, Limits};
use super::rooted::Root;
use super::scheduling;
use super::signals;
use super::target::Target;
use super::ties::Ties;
use crate::control::Control;
use crate::errno::check;
use crate::exit::ExitStatus;
use crate::machine::Factory;
use crate::plan::JoinPlan;

/// The launcher's part.
pub fn make_process(control: &mut Control) -> Result<Made, LaunchError> {
    let plan: JoinPlan = control.read_plan()?;
    let limits = rlimits::of_guest(&plan.process.rlimits)?;
    let line = prepare_descriptors(control, plan.preserve_fds, &plan.process, plan.foreground)?;
    let terminal = line.terminal(plan.process.terminal);
    let Line { socket, caller } = line;
    let host = HostFiles::open(&plan.machine, None)?;
    if let Some(score) = plan.process.oom_score_adj {
        // For the process, which inherits it: later the host's /proc is no longer this user's.
        launcher::write_own("oom_score_adj", &score.to_string())?;
    }
    let affinity = plan.process.exec_cpu_affinity.as_ref();
    if let Some(cpus) = affinity.and_then(|affinity| affinity.initial.as_deref()) {
        scheduling::set_affinity(cpus)?;
    }
    let mut target = Target::open(plan.init)?;
    let key = match plan.process.no_new_privileges {
        true => None,
        false => target.key(),
    };
    let groups = Groups::open(&plan.cgroups)?;
    let (ours, theirs) = launcher::socket_pair()?;

    confine::hide().map_err(|errno| LaunchError::Call {
        call: "prctl(PR_SET_DUMPABLE)",
        errno,
    })?;
    target.join_processes()?;
    let (pid, unified) = clone_into(0, groups.unified()).map_err(LaunchError::Clone)?;
    if pid == 0 {
        drop((ours, caller));
        let ties = Ties::new(control, theirs, socket.zip(terminal));
        run(&plan, limits, target, ties, (host, key), groups)
    }
    drop((theirs, socket));
    let left = (!unified).then_some(groups);
    let made = Made::new(pid, ours, plan.foreground, caller);
    launcher::release(control, made, left, || Ok(()))
}

/// The process's part: ends it with its program's status.
fn run(
    plan: &JoinPlan,
    limits: Limits,
    target: Target,
    mut ties: Ties,
    host: (HostFiles, Option<OwnedFd>),
    groups: Groups,
) -> ! {
    let affinity = plan.process.exec_cpu_affinity.as_ref();
    let begun = ties.begin(Some(groups)).and_then(|()| {
        match affinity.and_then(|affinity| affinity.lasting.as_deref()) {
            Some(cpus) => Ok(scheduling::set_affinity(cpus)?),
            None => Ok(scheduling::bind(&plan.machine)?),
        }
    });
    let begun = begun.map_err(InitError::from);
    let ended = begun.and_then(|()| join(plan, limits, target, &mut ties, host));
    ties.end(ended)
}

fn join(
    plan: &JoinPlan,
    limits: Limits,
    mut target: Target,
    ties: &mut Ties,
    (host, key): (HostFiles, Option<OwnedFd>),
) -> Result<ExitStatus, InitError> {
    // SAFETY: setsid(2) touches no memory.
    check(unsafe { libc::setsid() }).map_err(step("setsid"))?;
    // While the host's files are in sight: none of the container's is used before the program's.
    let factory = Factory::new(
        host.kvm,
        fds::keep_private,
        host.kernel,
        host.monitor,
        host.missing,
        plan.machine.limits(),
    )?;
    if let Some(key) = key {
        factory.set_key(key);
    }
    let machine = factory.make()?;
    drop(factory);
    let procfs = Procfs::of_processes().map_err(step("mount a private procfs"))?;
    target.join_rest().map_err(SetupError::from)?;
    if target.joined_user() {
        credentials::become_root().map_err(SetupError::from)?;
        signals::die_with_parent(libc::SIGKILL).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
    }
    drop(target);
    let root = Root::open("/".as_ref())
        .and_then(Root::into_private)
        .map_err(step("open the root"))?;
    if let Some(terminal) = ties.open_terminal(&root, &procfs, &plan.process)? {
        terminal.take().map_err(SetupError::from)?;
    }
    let setting = Setting {
        root: &root,
        procfs: &procfs,
        limits,
        verbose: plan.machine.verbose,
        dumpable: false,
    };
    let loaded = confine::become_program(&plan.process, machine, &setting)?;
    drop(root);
    ties.tell_ready()?;
    drop(procfs);
    signals::reset();
    Ok(loaded.run().map_err(GuestError::from)?)
}
