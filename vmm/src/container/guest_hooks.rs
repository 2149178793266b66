//! The startContainer hooks (runtime-spec, config.md "POSIX-platform Hooks"). Their programs come from
//! the image, so they run as guests: in a child of the init that makes a microVM of its own.

use std::ffi::CString;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use pinion_abi::boot::Inherited;
use pinion_abi::seccomp::Filters;

use super::child::{Child, Ended};
use super::executable::{self, ExecError, Executable, Refusal};
use super::fds;
use super::guest::{self, GuestError, Program};
use super::procfs::Procfs;
use super::rlimits::Limits;
use super::rooted::c_path;
use super::signals;
use crate::errno::{check, check_fd, Errno};
use crate::exit::{end_as, ExitStatus};
use crate::machine::Factory;
use crate::plan::GuestHook;

/// A hook that failed, in runc's words.
#[derive(Debug, thiserror::Error)]
#[error("error running startContainer hook #{index}: {failure}")]
pub struct HookError {
    index: usize,
    failure: Failure,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("fork/{0}, stdout: , stderr: ")]
    Exec(#[from] ExecError),
    #[error("{how}, stdout: {stdout}, stderr: {stderr}")]
    Status {
        how: String,
        stdout: String,
        stderr: String,
    },
    #[error("hook ran past specified timeout of {0:.1}s")]
    Timeout(f64),
    #[error("its arguments or environment have a zero byte")]
    ZeroByte,
    #[error("{0}")]
    Call(#[from] Errno),
}

/// What hooks share with the container's program.
pub struct Surroundings<'a> {
    pub factory: &'a Arc<Factory>,
    pub procfs: &'a Procfs,
    pub rlimits: Limits,
    pub filters: Filters,
}

/// Runs the hooks in order, one at a time, up to the first that fails. `own` is what only this
/// process may hold: its children drop it, and it comes back.
pub fn run_all<T>(
    hooks: &[GuestHook],
    surroundings: &Surroundings,
    mut own: T,
) -> (T, Result<(), HookError>) {
    for (index, hook) in hooks.iter().enumerate() {
        let (back, result) = run(hook, surroundings, own);
        own = back;
        if let Err(failure) = result {
            return (own, Err(HookError { index, failure }));
        }
    }
    (own, Ok(()))
}

fn run<T>(hook: &GuestHook, surroundings: &Surroundings, own: T) -> (T, Result<(), Failure>) {
    let prepared = find(hook, surroundings).and_then(|program| Ok((program, Pipes::new()?)));
    let (program, Pipes { inner, outer }) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return (own, Err(failure)),
    };
    // SAFETY: this process has one thread, so in the child every lock and invariant is as it was.
    match check(unsafe { libc::fork() }) {
        Err(errno) => {
            let path = hook.path.clone().into();
            (own, Err(ExecError::File { path, errno }.into()))
        }
        Ok(0) => {
            drop((own, outer));
            become_guest(surroundings, program, inner)
        }
        Ok(pid) => {
            drop((inner, program));
            (own, watch(hook, pid as libc::pid_t, outer))
        }
    }
}

fn watch(hook: &GuestHook, pid: libc::pid_t, pipes: [OwnedFd; 3]) -> Result<(), Failure> {
    let child = Child::new(pid, hook.state.as_bytes(), pipes)?;
    let limit = hook.timeout.map(u64::from).map(Duration::from_secs);
    match child.wait(limit)? {
        Ended::Status(ExitStatus::Code(0), _) => Ok(()),
        Ended::Status(status, [stdout, stderr]) => Err(Failure::Status {
            how: describe(status),
            stdout: text(&stdout),
            stderr: text(&stderr),
        }),
        Ended::Timeout(limit) => Err(Failure::Timeout(limit.as_secs_f64())),
    }
}

fn find(hook: &GuestHook, surroundings: &Surroundings) -> Result<Program, Failure> {
    let procfs = surroundings.procfs;
    let failed = |errno| ExecError::File {
        path: hook.path.clone().into(),
        errno,
    };
    let path = c_path(&hook.path).map_err(failed)?;
    let file = executable::look_up(&hook.path)
        .map_err(Refusal::errno)
        .and_then(|file| executable::open(&file, procfs))
        .map_err(failed)?;
    let executable = Executable::new(&path, file, c_strings(&hook.args)?, procfs)?;
    Ok(Program {
        path,
        executable,
        env: c_strings(&hook.env)?,
        rlimits: surroundings.rlimits,
        inherited: Inherited::default(),
        filters: surroundings.filters.clone(),
        verbose: false,
        secure: false,
        hidden: false,
    })
}

fn c_strings(texts: &[String]) -> Result<Vec<CString>, Failure> {
    let strings = texts.iter().map(|text| CString::new(text.as_bytes()));
    strings
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::ZeroByte)
}

/// Standard input, output and error, as the hook and as the init hold them.
struct Pipes {
    inner: [OwnedFd; 3],
    outer: [OwnedFd; 3],
}

impl Pipes {
    fn new() -> Result<Pipes, Errno> {
        let (input, to_input) = pipe()?;
        let (from_output, output) = pipe()?;
        let (from_error, error) = pipe()?;
        Ok(Pipes {
            inner: [input, output, error],
            outer: [to_input, from_output, from_error],
        })
    }
}

/// (to read, to write), both private: the guest's standard streams may be closed.
fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut ends = [0; 2];
    // SAFETY: pipe2(2) writes two descriptors.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    let (read, write) = (check_fd(ends[0])?, check_fd(ends[1])?);
    Ok((fds::make_private(read)?, fds::make_private(write)?))
}

/// The child's part: ends it with the hook's status.
fn become_guest(surroundings: &Surroundings, program: Program, streams: [OwnedFd; 3]) -> ! {
    match run_guest(surroundings, program, streams) {
        Ok(status) => end_as(status),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "pinion: {error}");
            end_as(ExitStatus::Code(1))
        }
    }
}

fn run_guest(
    surroundings: &Surroundings,
    program: Program,
    streams: [OwnedFd; 3],
) -> Result<ExitStatus, GuestError> {
    signals::die_with_parent(libc::SIGKILL)?;
    for (number, stream) in streams.iter().enumerate() {
        // SAFETY: the numbers below the private ones are the guest's; nothing here owns one.
        check(unsafe { libc::dup3(stream.as_raw_fd(), number as i32, 0) })?;
    }
    drop(streams);
    fds::close_guests(3)?;
    signals::reset();
    let machine = surroundings.factory.make()?;
    Ok(guest::load(machine, surroundings.procfs, program)?.run()?)
}

/// As Go's os.ProcessState tells it.
fn describe(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exit status {code}"),
        ExitStatus::Signal(signal) => format!("signal: {}", signals::describe(signal)),
    }
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end().to_owned()
}
