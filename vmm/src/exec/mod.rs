//! execve(2) of the guest. This process executes the monitor anew, by a descriptor that it kept: so
//! the host itself keeps and resets what Linux keeps and resets, closes what is to be closed, and ends
//! the other threads. What only the guest's kernel and the monitor know travels in a memory file
//! ([`state`]); the new monitor begins with it ([`resume`]). Everything that can be wrong with the
//! program is found before. Where the program's file gives rights, a key stands between the two
//! ([`key`], [`raised`], [`rights`]).

pub mod key;
mod raised;
mod request;
mod resume;
pub mod rights;
mod state;

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use pinion_abi::Errno;

pub use key::RAISED;
pub use raised::Raised;
pub use request::Request;
pub use resume::run as resume;

use crate::calls::{Service, AT_EXECVE_CHECK};
use crate::container::capabilities::Sets;
use crate::container::executable::Executable;
use crate::container::fds;
use crate::container::procfs::Procfs;
use crate::errno::{self, check_fd};
use crate::limits;
use crate::machine::{Factory, Known};
use key::{FileId, Settings};
use rights::{Before, Rights};
use state::State;

/// The first argument of the monitor that is executed anew; the second is a descriptor's number.
pub const RESUME: &str = "resume";

fn host(errno: errno::Errno) -> Errno {
    Errno(errno.0)
}

/// `known` is told whether the guest is to be believed. Does what the guest asks for; comes back with an error, with which nothing has changed, or, when
/// it was only to be said whether it could be done, with none.
pub fn execute(
    request: Request,
    service: &Service,
    factory: &Factory,
    known: impl FnOnce(bool) -> Known,
    verbose: bool,
) -> Result<(), Errno> {
    let procfs = Procfs::from(fds::copy_private(service.proc_root()).map_err(host)?);
    let opened = service.open_program(request.directory, &request.path, request.flags)?;
    // A script's interpreter gets the name by which it can open the script (fs/exec.c).
    let name = script_name(&request)?;
    let count = request.arguments.len();
    let executable = match opened.readable {
        true => Executable::new(&name, opened.file, request.arguments, &procfs)
            .map_err(|error| host(error.errno()))?,
        false => unread(opened.file, request.arguments),
    };
    if executable.arguments.len() != count && service.closes_at_exec(request.directory) {
        // By that name the interpreter would not find the script.
        return Err(Errno::ENOENT);
    }
    if request.flags & AT_EXECVE_CHECK != 0 {
        return Ok(());
    }
    let mut filters = service.filters();
    filters.extend(&request.filters)?;
    let gains = match opened.readable {
        true => gains(&executable)?,
        false => true,
    };
    let words = filters.to_words(0);
    let raise = match gains {
        true => how(
            factory,
            &procfs,
            &executable,
            &words,
            opened.readable,
            verbose,
        )?,
        false => Raise::None,
    };
    let kept = [
        factory.kvm().as_fd(),
        factory.kernel(),
        factory.monitor().as_fd(),
        service.proc_root().as_fd(),
        executable.file.as_fd(),
    ];
    let missing = factory.missing();
    let [kvm, kernel, monitor, proc, program] = kept.map(|fd| fd.as_raw_fd());
    let key = factory.key();
    let gains = raise != Raise::None;
    let state = State {
        kvm,
        kernel,
        monitor,
        proc,
        missing: missing.map(|fd| fd.as_raw_fd()),
        key: key.map(|fd| fd.as_raw_fd()),
        program,
        program_bytes: executable.bytes,
        private_floor: fds::private_floor(),
        memory_limit: factory.limits().memory,
        vcpus: factory.limits().vcpus,
        known: known(!gains),
        dumpable: is_dumpable(),
        verbose,
        rlimits: request.rlimits,
        inherited: request.inherited.into(),
        filters: words,
        gains,
        readable: opened.readable,
        permitted: Sets::current().map_err(host)?.permitted,
        death_signal: death_signal(),
        argc: executable.arguments.len(),
    };
    let mut strings = vec![name, executable.path];
    strings.extend(executable.arguments);
    strings.extend(request.environment);
    let file = write(&state, &strings)?;
    let all = kept
        .into_iter()
        .chain([file.as_fd()])
        .chain(missing)
        .chain(key);
    for fd in all.clone() {
        fds::set_kept(fd, true).map_err(host)?;
    }
    let by_key = key.filter(|_| raise == Raise::ByKey);
    let result = begin_anew(factory.monitor(), by_key, &file, &request.pending);
    for fd in all {
        fds::set_kept(fd, false).map_err(host)?;
    }
    match result {
        Ok(never) => match never {},
        Err(errno) => Err(errno),
    }
}

/// How the process gets what the program's file gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Raise {
    None,
    /// It has it: root has all of its bounding set again when the monitor is executed (capabilities(7)).
    ByItself,
    ByKey,
}

/// A program that the process may not read. A key reads it, or nothing does.
fn unread(file: OwnedFd, arguments: Vec<CString>) -> Executable {
    Executable {
        file,
        bytes: 0,
        path: CString::default(),
        arguments,
    }
}

/// Whether the program's file makes another of the process than it is.
pub fn gains(executable: &Executable) -> Result<bool, Errno> {
    let rights = Rights::of(&executable.file)?;
    if rights == Rights::default() {
        return Ok(false);
    }
    let before = Before::current()?;
    let after = rights.apply(&before)?;
    Ok(rights.capabilities.is_some()
        || (after.user, after.group) != (before.users.1, before.groups.1))
}

fn how(
    factory: &Factory,
    procfs: &Procfs,
    executable: &Executable,
    filters: &[u64],
    readable: bool,
    verbose: bool,
) -> Result<Raise, Errno> {
    let before = Before::current()?;
    if let Some(fd) = factory.key() {
        let key = fds::copy_private(
            &fd.try_clone_to_owned()
                .map_err(|error| host(error.into()))?,
        );
        let found = key::settings(&key.map_err(host)?, procfs);
        let wanted = FileId::of(fd).and_then(|key| {
            let verbose = found.as_ref().is_some_and(|found| found.verbose);
            Settings::new(key, factory, filters.to_vec(), verbose)
        });
        let rights = if readable {
            Rights::of(&executable.file)?
        } else {
            Rights::default()
        };
        // Linux gives ids also to who may not change them; the monitor cannot.
        let may_change = (rights.user.is_none() || before.bounding >> CAP_SETUID & 1 != 0)
            && (rights.group.is_none() || before.bounding >> CAP_SETGID & 1 != 0);
        let free = readable || !rights::no_new_privileges();
        if found.is_some() && found == wanted.ok() && may_change && free {
            return Ok(Raise::ByKey);
        }
    }
    if !readable {
        return Err(Errno::EACCES);
    }
    if before.users.1 == 0 {
        return Ok(Raise::ByItself);
    }
    if verbose {
        let path = executable.path.to_string_lossy();
        let user = before.users.1;
        crate::machine::report(&format!(
            "not supported: what the mode or capabilities of {path} give to user {user}"
        ));
    }
    Ok(Raise::None)
}

/// linux/capability.h.
const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;

fn script_name(request: &Request) -> Result<CString, Errno> {
    let path = request.path.as_bytes();
    if request.directory == libc::AT_FDCWD || path.starts_with(b"/") {
        return Ok(request.path.clone());
    }
    let mut name = format!("/dev/fd/{}", request.directory).into_bytes();
    if !path.is_empty() {
        name.push(b'/');
        name.extend(path);
    }
    CString::new(name).map_err(|_| Errno::EINVAL)
}

fn is_dumpable() -> bool {
    // SAFETY: the call takes numbers.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 }
}

fn death_signal() -> i32 {
    let mut signal = 0;
    // SAFETY: the call writes one integer.
    unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal, 0, 0, 0) };
    signal
}

fn write(state: &State, strings: &[CString]) -> Result<OwnedFd, Errno> {
    // SAFETY: the name is a C string.
    let file = check_fd(unsafe { libc::memfd_create(c"execve".as_ptr(), libc::MFD_CLOEXEC) });
    let file = fds::make_private(file.map_err(host)?).map_err(host)?;
    let bytes = state.to_bytes(strings).ok_or(Errno::ENOMEM)?;
    let mut file = File::from(file);
    limits::unlimited_files(|| file.write_all(&bytes)).map_err(|error| host(error.into()))?;
    Ok(file.into())
}

/// Executes the monitor, or a key that does.
fn begin_anew(
    monitor: &OwnedFd,
    key: Option<BorrowedFd>,
    state: &OwnedFd,
    pending: &[pinion_abi::boot::PendingSignal],
) -> Result<Infallible, Errno> {
    let number = CString::new(state.as_raw_fd().to_string()).map_err(|_| Errno::EINVAL)?;
    let word = CString::new(RESUME).map_err(|_| Errno::EINVAL)?;
    let executed = CString::new(monitor.as_raw_fd().to_string()).map_err(|_| Errno::EINVAL)?;
    let (file, word) = match key {
        Some(key) => (key, &executed),
        None => (monitor.as_fd(), &word),
    };
    let arguments = [c"pinion-vmm", word, &number].map(CStr::as_ptr);
    let arguments = [arguments[0], arguments[1], arguments[2], std::ptr::null()];
    // Not the program's environment: that would be the monitor's.
    let environment = [std::ptr::null::<libc::c_char>()];
    // What comes from now on waits for the new monitor, behind what already waited.
    let mask = crate::machine::hold_signals(pending);
    crate::machine::go_on();
    // SAFETY: path and strings are C strings, the lists end with a null pointer.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    let errno = host(errno::Errno::last());
    mask.restore();
    Err(errno)
}

/// A descriptor that the process before this one kept open.
fn taken_over(fd: i32) -> Result<OwnedFd, errno::Errno> {
    // SAFETY: the state names each of these once, and nothing else in this new process owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    fds::set_kept(&fd, false)?;
    Ok(fd)
}

/// The monitor's own file, for executing it anew.
pub fn open_monitor() -> Result<OwnedFd, errno::Errno> {
    let path = Path::new("/proc/self/exe");
    let path = crate::container::rooted::c_path(path)?;
    // SAFETY: the path is a C string.
    let file = check_fd(unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) })?;
    fds::make_private(file)
}
