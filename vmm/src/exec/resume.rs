//! The monitor that a monitor has executed: goes on with the program that its guest asked for.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::RawFd;

use pinion_abi::seccomp::Filters;

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
use crate::machine::{self, Factory, Limits, MachineError};

#[derive(Debug, thiserror::Error)]
enum ResumeError {
    #[error("the state of the process before is not to be had: {0}")]
    State(io::Error),
    #[error("the state of the process before is damaged")]
    Damaged,
    #[error("take over: {0}")]
    Call(#[from] Errno),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error(transparent)]
    Guest(#[from] GuestError),
}

/// Ends this process with the program's status. The program before is gone, so on an error it dies as
/// Linux has it die then: of SIGKILL.
pub fn run(state: RawFd) -> ! {
    match start(state) {
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
        .and_then(|()| file.read_to_end(&mut bytes))
        .map_err(ResumeError::State)?;
    State::from_bytes(&bytes).ok_or(ResumeError::Damaged)
}

fn start(state: RawFd) -> Result<ExitStatus, ResumeError> {
    let (state, strings) = read(state)?;
    if !state.dumpable {
        // SAFETY: this operation takes numbers.
        check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })?;
    }
    signals::take_over(state.inherited.ignored, state.inherited.blocked);
    state.ids.take()?;
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
    let procfs = Procfs::from(taken_over(state.proc)?);
    let mut strings = strings.into_iter();
    let mut next = || strings.next().ok_or(ResumeError::Damaged);
    let (path, executable_path) = (next()?, next()?);
    let arguments = (0..state.argc).map(|_| next()).collect::<Result<_, _>>()?;
    let program = Program {
        path,
        executable: Executable {
            file: taken_over(state.program)?,
            bytes: state.program_bytes,
            path: executable_path,
            arguments,
        },
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
