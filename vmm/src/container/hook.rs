//! A createContainer hook: a program of the host's files, run in the container's namespaces before
//! the change of root (runtime-spec, config.md "POSIX-platform Hooks").

use std::ffi::CString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::launcher::wait;
use super::namespaces::NamespaceError;
use super::rooted::c_path;
use super::signals;
use super::target::Target;
use crate::errno::{check, Errno};
use crate::exit::end_as;

#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error("hook request: {0}")]
    Read(std::io::Error),
    #[error("hook request: {0}")]
    Request(serde_json::Error),
    #[error("hook request: a zero byte")]
    ZeroByte,
    #[error(transparent)]
    Join(#[from] NamespaceError),
    #[error("chdir {}: {errno}", path.display())]
    Directory { path: PathBuf, errno: Errno },
    #[error("fork: {0}")]
    Fork(Errno),
    #[error("fork/exec {path}: {errno}")]
    Exec { path: String, errno: Errno },
}

/// The descriptor with the request: one line of JSON.
const REQUEST: i32 = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    path: String,
    args: Vec<String>,
    env: Vec<String>,
}

/// Joins the namespaces of process `pid`, changes to `directory` there and runs the hook that
/// descriptor 3 names, with this process' standard streams. Ends with the hook's status.
pub fn run(pid: i32, directory: &Path) -> Result<std::convert::Infallible, HookError> {
    // SAFETY: this descriptor was given to the process for this and nobody else owns it.
    let request = File::from(unsafe { OwnedFd::from_raw_fd(REQUEST) });
    let mut line = String::new();
    BufReader::new(request)
        .read_line(&mut line)
        .map_err(HookError::Read)?;
    let request: Request = serde_json::from_str(&line).map_err(HookError::Request)?;
    let path = CString::new(request.path.as_bytes()).map_err(|_| HookError::ZeroByte)?;
    let args = c_strings(&request.args)?;
    let env = c_strings(&request.env)?;

    // The hook gets the standard streams and nothing that a caller forgot to close.
    // SAFETY: no `OwnedFd` holds a descriptor above 2 at this point.
    check(unsafe { libc::syscall(libc::SYS_close_range, REQUEST, u32::MAX, 0) })
        .map_err(HookError::Fork)?;
    Target::of_pid(pid)?.join_rest()?;
    let failed = |errno| HookError::Directory {
        path: directory.to_owned(),
        errno,
    };
    let name = c_path(directory).map_err(failed)?;
    // SAFETY: the path is a C string.
    check(unsafe { libc::chdir(name.as_ptr()) }).map_err(failed)?;

    // Only a child is in the pid namespace that was joined.
    // SAFETY: this process has one thread.
    let child = check(unsafe { libc::fork() }).map_err(HookError::Fork)? as libc::pid_t;
    if child != 0 {
        end_as(wait(child).map_err(HookError::Fork)?);
    }
    signals::reset();
    let (args, env) = (pointers(&args), pointers(&env));
    // SAFETY: a C string and two arrays of C strings that end with null.
    let errno = match check(unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) }) {
        Err(errno) => errno,
        Ok(_) => Errno(libc::ENOEXEC),
    };
    Err(HookError::Exec {
        path: request.path,
        errno,
    })
}

fn c_strings(texts: &[String]) -> Result<Vec<CString>, HookError> {
    texts
        .iter()
        .map(|text| CString::new(text.as_bytes()).map_err(|_| HookError::ZeroByte))
        .collect()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([std::ptr::null()])
        .collect()
}
