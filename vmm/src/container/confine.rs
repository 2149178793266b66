//! From a process that has set itself up in the container to the program: its user, its limits, and
//! nothing that the program must not have.

use pinion_abi::boot::Inherited;
use pinion_abi::seccomp::{Filter, Filters, Instruction};

use super::apparmor;
use super::credentials;
use super::failure::{step, InitError, SetupError};
use super::guest::{self, Program};
use super::procfs::Procfs;
use super::program::{self, ProgramError};
use super::rlimits::{self, Limits};
use super::rooted::Root;
use super::scheduling;
use super::seccomp;
use super::signals;
use crate::errno::{check, Errno};
use crate::exec::{self, Request};
use crate::machine::{Loaded, Machine};
use crate::plan::Process;

/// Other processes can look into this one no more, nor into those that it makes: not by ptrace(2)
/// ("access mode checking"), nor by its directory in /proc, which leads to its files and to its
/// executable (CVE-2016-9962, CVE-2019-5736).
pub fn hide() -> Result<(), Errno> {
    // SAFETY: this operation takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })?;
    Ok(())
}

/// What a program is loaded with that its OCI process does not say.
pub struct Setting<'a> {
    pub root: &'a Root,
    pub procfs: &'a Procfs,
    pub limits: Limits,
    pub verbose: bool,
    /// Others of the same user may look into the monitor.
    pub dumpable: bool,
}

/// Becomes the process of the plan, and puts its program into the machine.
pub fn become_program(
    process: &Process,
    machine: Machine,
    setting: &Setting,
) -> Result<Loaded, InitError> {
    let Setting { root, procfs, .. } = setting;
    let env = program::environment(process, root)?;
    let permitted = become_process(process, root, procfs, setting.dumpable)?;
    let (path, executable) = program::find(process, procfs)?;
    // Its file may make another of the process than the plan does (execve(2)): then it is executed as a
    // program of the container executes one.
    let gains = exec::gains(&executable).map_err(|errno| ProgramError::Refused {
        name: path.to_string_lossy().into_owned(),
        errno: Errno(errno.0),
    })?;
    let request = match gains && machine.may_gain() {
        true => Some(Request {
            directory: libc::AT_FDCWD,
            path: path.clone(),
            arguments: program::arguments(process)?,
            environment: env.clone(),
            flags: 0,
            inherited: Inherited::default(),
            pending: Vec::new(),
            filters: Filters::default(),
            rlimits: setting.limits.map(|limit| [limit.soft, limit.hard]),
        }),
        false => None,
    };
    let after = credentials::execute(&executable).map_err(|errno| ProgramError::Refused {
        name: path.to_string_lossy().into_owned(),
        errno,
    })?;
    // A change of credentials takes the signal away.
    signals::die_with_parent(libc::SIGKILL).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
    let program = Program {
        path,
        executable,
        env,
        rlimits: setting.limits,
        inherited: Inherited::default(),
        filters: filters(process)?,
        verbose: setting.verbose,
        secure: after.secure,
        hidden: after.sets.permitted & !permitted != 0,
    };
    Ok(guest::load(machine, procfs, program)?.executing(request))
}

/// The container's profile, as the process begins with it.
pub fn filters(process: &Process) -> Result<Filters, SetupError> {
    let mut filters = Filters::default();
    if let Some(program) = &process.seccomp {
        let program = program
            .iter()
            .map(|(code, jt, jf, k)| Instruction::new(*code, *jt, *jf, *k));
        Filter::new(program.collect())
            .and_then(|filter| filters.add(filter))
            .map_err(|errno| SetupError::Profile(Errno(errno.0)))?;
    }
    Ok(filters)
}

/// Everything that makes this process the user's: after this no privilege is in effect that the program
/// could not have. Returns the permitted capabilities.
fn become_process(
    process: &Process,
    root: &Root,
    procfs: &Procfs,
    dumpable: bool,
) -> Result<u64, InitError> {
    rlimits::apply(&process.rlimits).map_err(SetupError::from)?;
    scheduling::apply(process).map_err(SetupError::from)?;
    // Without privileges, no_new_privs forbids such a change (apparmor(7)).
    if let Some(profile) = &process.apparmor_profile {
        apparmor::change_profile(procfs, profile).map_err(SetupError::from)?;
    }
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
    let permitted = credentials::become_user(process).map_err(InitError::User)?;
    if !dumpable {
        hide().map_err(step("prctl(PR_SET_DUMPABLE)"))?;
    }
    // A change of credentials takes the signal away.
    signals::die_with_parent(libc::SIGKILL).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
    if !at_cwd {
        program::change_directory(root, &process.cwd)?;
    }
    if let Some(umask) = process.umask {
        // SAFETY: umask(2) touches no memory.
        unsafe { libc::umask(umask) };
    }
    Ok(permitted)
}
