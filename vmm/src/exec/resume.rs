//! The monitor that a monitor has executed: goes on with the program that its guest asked for.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::RawFd;

use pinion_abi::seccomp::Filters;

use super::raised::Raised;
use super::request::Request;
use super::rights::{Before, Rights};
use super::state::State;
use super::taken_over;
use crate::container::executable::Executable;
use crate::container::fds;
use crate::container::guest::{self, GuestError, Program};
use crate::container::procfs::Procfs;
use crate::container::rlimits::Limit;
use crate::container::signals;
use crate::errno::{check, Errno};
use crate::exit::{end_as, ExitStatus};
use crate::machine::{self, title, Factory, Limits, MachineError};

#[derive(Debug, thiserror::Error)]
enum ResumeError {
    #[error("the state of the process before is not to be had: {0}")]
    State(io::Error),
    #[error("the state of the process before is damaged")]
    Damaged,
    #[error("take over: {0}")]
    Call(#[from] Errno),
    #[error("take what the program's file gives: {0}")]
    Rights(Errno),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error(transparent)]
    Guest(#[from] GuestError),
}

impl From<pinion_abi::Errno> for ResumeError {
    fn from(errno: pinion_abi::Errno) -> ResumeError {
        ResumeError::Rights(Errno(errno.0))
    }
}

/// Ends this process with the program's status. `raised`: who sent the state is not to be trusted. The program before is gone, so on an error it dies as
/// Linux has it die then: of SIGKILL.
pub fn run(state: RawFd, raised: Option<Raised>) -> ! {
    match start(state, raised) {
        Ok(status) => end_as(status),
        Err(error) => {
            machine::report(&format!("pinion-vmm: execve: {error}"));
            end_as(ExitStatus::Signal(libc::SIGKILL))
        }
    }
}

fn read(state: RawFd) -> Result<(State, Vec<CString>), ResumeError> {
    let mut file = File::from(taken_over(state)?);
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.take(MOST).read_to_end(&mut bytes))
        .map_err(ResumeError::State)?;
    State::from_bytes(&bytes).ok_or(ResumeError::Damaged)
}

/// As JSON a state is longer than what the guest asked for, by its filters' numbers at most.
const MOST: u64 = 8 * Request::MOST;

fn start(state: RawFd, raised: Option<Raised>) -> Result<ExitStatus, ResumeError> {
    let (mut state, strings) = read(state)?;
    if let Some(raised) = &raised {
        raised.check(&mut state)?;
    }
    // At once, as others see it: the machine takes its time.
    if let Some(path) = strings.first() {
        title::take_name(path)?;
    }
    if !state.dumpable {
        // SAFETY: this operation takes numbers.
        check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })?;
    }
    signals::take_over(state.inherited.ignored, state.inherited.blocked);
    fds::set_private_floor(state.private_floor);
    let limits = Limits {
        memory: state.memory_limit,
        vcpus: state.vcpus,
    };
    let factory = Factory::again(
        taken_over(state.kvm)?,
        fds::keep_private,
        taken_over(state.kernel)?.into(),
        taken_over(state.monitor)?,
        state.missing.map(taken_over).transpose()?,
        limits,
        state.known,
    )?;
    if let Some(key) = state.key {
        factory.set_key(taken_over(key)?);
    }
    let procfs = Procfs::checked(taken_over(state.proc)?)?;
    let mut strings = strings.into_iter();
    let mut next = || strings.next().ok_or(ResumeError::Damaged);
    let (path, executable_path) = (next()?, next()?);
    let arguments = (0..state.argc).map(|_| next()).collect::<Result<_, _>>()?;
    let file = taken_over(state.program)?;
    let (executable, after) = match raised {
        Some(raised) => {
            let (executable, after) = raised.program(&path, file, arguments, &procfs)?;
            (executable, Some(after))
        }
        None => {
            let after = match state.gains {
                true => Some(Rights::of(&file)?.apply(&Before::current()?)?),
                false => None,
            };
            let executable = Executable {
                file,
                bytes: state.program_bytes,
                path: executable_path,
                arguments,
            };
            (executable, after)
        }
    };
    if let Some(after) = after {
        after.take()?;
        if !after.secure {
            signals::die_with_parent(state.death_signal)?;
        }
    }
    let program = Program {
        path,
        executable,
        secure: after.is_some_and(|after| after.secure),
        hidden: !state.readable
            || after.is_some_and(|after| after.sets.permitted & !state.permitted != 0),
        env: strings.collect(),
        rlimits: state.rlimits.map(|[soft, hard]| Limit { soft, hard }),
        inherited: state.inherited.into(),
        filters: Filters::from_words(&state.filters).map_err(|_| ResumeError::Damaged)?,
        verbose: state.verbose,
    };
    let loaded = guest::load(factory.make()?, &procfs, program)?;
    drop(procfs);
    Ok(loaded.run()?)
}
