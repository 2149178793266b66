//! execve(2) of the guest. This process executes the monitor anew, by a descriptor that it kept: so
//! the host itself keeps and resets what Linux keeps and resets, closes what is to be closed, and ends
//! the other threads. What only the guest's kernel and the monitor know travels in a memory file
//! ([`state`]); the new monitor begins with it ([`resume`]). Everything that can be wrong with the
//! program is found before.

mod request;
mod resume;
mod set_ids;
mod state;

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use pinion_abi::Errno;

pub use request::Request;
pub use resume::run as resume;

use crate::calls::{Service, AT_EXECVE_CHECK};
use crate::container::executable::Executable;
use crate::container::fds;
use crate::container::procfs::Procfs;
use crate::errno::{self, check_fd};
use crate::machine::{Factory, Known};
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
    let (file, ids) = service.open_program(request.directory, &request.path, request.flags)?;
    // A script's interpreter gets the name by which it can open the script (fs/exec.c).
    let name = script_name(&request)?;
    let count = request.arguments.len();
    let executable = Executable::new(&name, file, request.arguments, &procfs)
        .map_err(|error| host(error.errno()))?;
    if executable.arguments.len() != count && service.closes_at_exec(request.directory) {
        // By that name the interpreter would not find the script.
        return Err(Errno::ENOENT);
    }
    if request.flags & AT_EXECVE_CHECK != 0 {
        return Ok(());
    }
    let mut filters = service.filters();
    filters.extend(&request.filters)?;
    let kept = [
        factory.kvm().as_fd(),
        factory.kernel(),
        factory.monitor().as_fd(),
        service.proc_root().as_fd(),
        executable.file.as_fd(),
    ];
    let missing = factory.missing();
    let [kvm, kernel, monitor, proc, program] = kept.map(|fd| fd.as_raw_fd());
    let ids = set_ids::possible(ids, &name, verbose);
    let state = State {
        kvm,
        kernel,
        monitor,
        proc,
        missing: missing.map(|fd| fd.as_raw_fd()),
        program,
        program_bytes: executable.bytes,
        private_floor: fds::private_floor(),
        memory_limit: factory.limits().memory,
        vcpus: factory.limits().vcpus,
        known: known(ids == set_ids::Ids::default()),
        dumpable: is_dumpable(),
        verbose,
        rlimits: request.rlimits,
        inherited: request.inherited.into(),
        filters: filters.to_words(0),
        ids,
        argc: executable.arguments.len(),
    };
    let mut strings = vec![name, executable.path];
    strings.extend(executable.arguments);
    strings.extend(request.environment);
    let file = write(&state, &strings)?;
    let all = kept.into_iter().chain([file.as_fd()]).chain(missing);
    for fd in all.clone() {
        fds::set_kept(fd, true).map_err(host)?;
    }
    let result = begin_anew(factory.monitor(), &file, &request.pending);
    for fd in all {
        fds::set_kept(fd, false).map_err(host)?;
    }
    match result {
        Ok(never) => match never {},
        Err(errno) => Err(errno),
    }
}

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

fn write(state: &State, strings: &[CString]) -> Result<OwnedFd, Errno> {
    // SAFETY: the name is a C string.
    let file = check_fd(unsafe { libc::memfd_create(c"execve".as_ptr(), libc::MFD_CLOEXEC) });
    let file = fds::make_private(file.map_err(host)?).map_err(host)?;
    let bytes = state.to_bytes(strings).ok_or(Errno::ENOMEM)?;
    let mut file = File::from(file);
    file.write_all(&bytes).map_err(|error| host(error.into()))?;
    Ok(file.into())
}

/// Executes the monitor.
fn begin_anew(
    monitor: &OwnedFd,
    state: &OwnedFd,
    pending: &[pinion_abi::boot::PendingSignal],
) -> Result<Infallible, Errno> {
    let number = CString::new(state.as_raw_fd().to_string()).map_err(|_| Errno::EINVAL)?;
    let word = CString::new(RESUME).map_err(|_| Errno::EINVAL)?;
    let arguments = [c"pinion-vmm", &word, &number].map(CStr::as_ptr);
    let arguments = [arguments[0], arguments[1], arguments[2], std::ptr::null()];
    // Not the program's environment: that would be the monitor's.
    let environment = [std::ptr::null::<libc::c_char>()];
    // What comes from now on waits for the new monitor, behind what already waited.
    let mask = crate::machine::hold_signals(pending);
    // SAFETY: path and strings are C strings, the lists end with a null pointer.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            monitor.as_raw_fd(),
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
