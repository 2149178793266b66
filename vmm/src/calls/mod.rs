//! The host's side of system calls: what the monitor does on behalf of a guest that may be hostile.
//!
//! A request is decoded by its row in [`pinion_abi::calls`] (`decode`), and made by the function that
//! `table` has for its number. Paths never lead into the monitor itself: see `names` and `procfs`.

mod decode;
mod descriptors;
mod directories;
mod entries;
mod files;
mod filters;
mod forking;
mod identity;
mod ipc;
mod links;
mod memory;
mod mounts;
mod names;
mod notify;
mod open;
mod portraits;
mod privileges;
mod processes;
mod procfs;
mod programs;
mod sockets;
mod stats;
mod streams;
mod sys;
mod table;
mod waiting;
mod walk;
mod xattrs;

#[cfg(test)]
pub(crate) mod tests;

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use pinion_abi::calls::{self, Wait};
use pinion_abi::channel::Request;
use pinion_abi::seccomp::Filters;
use pinion_abi::Errno;

pub use self::memory::{GuestMemory, SlotData};
pub use self::processes::SETXID;
pub use self::programs::{may_execute, AT_EXECVE_CHECK};
use self::sys::{Failure, Outcome};
pub use self::table::HOST_CALLS;
use crate::census::Census;
use crate::portrait::View;

/// What a service must know of its process.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The guest can name descriptors below this number only; the monitor's own are moved to it
    /// and above.
    pub private_floor: RawFd,
    /// The guest's RLIMIT_NOFILE: (soft, hard).
    pub nofile: (u64, u64),
    /// The root of a proc file system of the container's pid namespace, best of a mount that the
    /// container cannot reach.
    pub proc: OwnedFd,
    /// The program's file.
    pub executable: OwnedFd,
    /// The program's path in the container, as readlink(2) of /proc/self/exe tells it.
    pub executable_path: CString,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    /// What the guest's calls are judged by once its program runs.
    pub filters: Filters,
}

#[derive(Debug, thiserror::Error)]
pub enum CallsError {
    #[error("cannot {what} for the service of system calls: {error}")]
    Setup {
        what: &'static str,
        error: std::io::Error,
    },
    #[error("the root directory is of a proc file system")]
    RootIsProc,
}

impl CallsError {
    fn setup(what: &'static str) -> impl FnOnce(Errno) -> CallsError {
        move |errno| CallsError::Setup {
            what,
            error: std::io::Error::from_raw_os_error(errno.0),
        }
    }
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 0 or more, or a negative error number.
    Result(i64),
    /// The call would block, and was not done.
    WouldBlock,
}

/// Makes system calls for one guest. Any number of threads of the guest's monitor may use it.
#[derive(Debug)]
pub struct Service {
    table: descriptors::Table,
    proc: OwnedFd,
    executable: OwnedFd,
    executable_path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    mounts: mounts::Mounts,
    identity: identity::Identity,
    judge: filters::Judge,
    unfinished: files::Unfinished,
    streams: streams::Streams,
    /// The guest that it serves, once there is one.
    view: OnceLock<View>,
    /// Where the container's tasks are counted.
    census: OnceLock<Census>,
}

/// One call under way.
struct Call<'a> {
    service: &'a Service,
    number: u32,
    may_block: bool,
    slot: SlotData,
    args: decode::Args,
}

impl Service {
    /// Takes over the process's descriptors: what is open below the floor is the guest's.
    pub fn new(config: ServiceConfig) -> Result<Service, CallsError> {
        let floor = config.private_floor;
        let table = descriptors::Table::new(floor, config.nofile);
        let proc = raise(config.proc, floor).map_err(CallsError::setup("keep /proc"))?;
        let executable = raise(config.executable, floor)
            .map_err(CallsError::setup("keep the program's file"))?;
        let root = names::open_path(libc::AT_FDCWD, c"/", libc::O_DIRECTORY, 0)
            .and_then(|root| sys::is_proc(root.as_raw_fd()))
            .map_err(CallsError::setup("look at the root directory"))?;
        if root {
            return Err(CallsError::RootIsProc);
        }
        for fd in procfs::open_numbers(&proc).map_err(CallsError::setup("list descriptors"))? {
            table.inherit(fd);
        }
        Ok(Service {
            table,
            proc,
            executable,
            executable_path: config.executable_path,
            arguments: config.arguments,
            environment: config.environment,
            mounts: mounts::Mounts::new(floor),
            identity: identity::Identity::new(),
            judge: filters::Judge::new(config.filters),
            unfinished: files::Unfinished::default(),
            streams: streams::Streams::default(),
            view: OnceLock::new(),
            census: OnceLock::new(),
        })
    }

    /// Answers the guest's RLIMIT_NOFILE from now on.
    pub fn set_nofile(&self, soft: u64, hard: u64) {
        self.table.set_limit(soft, hard);
    }

    /// Judges the guest's calls from now on, by these filters as well.
    pub fn judge_by(&self, filters: Filters) -> Result<(), Errno> {
        self.judge.add(filters)
    }

    /// The filters that all threads of the guest have.
    pub fn filters(&self) -> Filters {
        self.judge.filters().clone()
    }

    /// Whether a filter can let one of these calls pass: for what is asked for by other requests.
    pub fn may_make(&self, numbers: &[u32]) -> bool {
        self.judge.may_pass(numbers)
    }

    /// Whether the guest can name a descriptor: for requests that are not system calls.
    pub fn owns(&self, fd: RawFd) -> bool {
        self.table.visible(fd)
    }

    /// Serves one request. `slot` is the whole slot that carries it. Without `may_block` a call
    /// that would block is not done; with it, a signal ends the wait with EINTR.
    pub fn serve(
        &self,
        memory: &dyn GuestMemory,
        slot: &SlotData,
        request: Request,
        may_block: bool,
    ) -> Answer {
        match self.outcome(memory, slot, request, may_block) {
            Ok(result) => Answer::Result(result),
            Err(Failure::Errno(errno)) => Answer::Result(errno.as_result()),
            Err(Failure::WouldBlock) => Answer::WouldBlock,
        }
    }

    fn outcome(
        &self,
        memory: &dyn GuestMemory,
        slot: &SlotData,
        request: Request,
        may_block: bool,
    ) -> Outcome {
        let row = calls::find(request.number.into()).ok_or(Errno::ENOSYS)?;
        let (wait, kinds) = row.host().ok_or(Errno::ENOSYS)?;
        let handler = table::handler(row.number).ok_or(Errno::ENOSYS)?;
        self.judge.judge(row, kinds, &request.args)?;
        if wait == Wait::Always && !may_block {
            return Err(Failure::WouldBlock);
        }
        self.identity.catch_up()?;
        let decoder = decode::Decoder {
            memory,
            slot,
            table: &self.table,
        };
        let args = decoder.decode(kinds, request.args)?;
        let mut call = Call {
            service: self,
            number: row.number,
            may_block,
            slot: *slot,
            args,
        };
        let outcome = handler(&mut call);
        let result = match outcome {
            Ok(result) => result,
            Err(Failure::Errno(errno)) => errno.as_result(),
            Err(Failure::WouldBlock) => return outcome,
        };
        call.args.copy_back(slot, result)?;
        outcome
    }

    /// The monitor's own view of /proc.
    fn proc(&self) -> RawFd {
        self.proc.as_raw_fd()
    }
}

impl Call<'_> {
    /// Makes the call with the arguments as they are. Only for calls whose every pointer is a
    /// path, a buffer or guest memory in the call's row.
    fn make(&mut self) -> Outcome {
        let words = self.args.words();
        // SAFETY: decoding replaced every pointer by that of a copy as long as the row says, or by
        // addresses in the guest's memory; numbers are passed only where the call takes numbers
        // (`table` names the calls for which that holds).
        Ok(unsafe { sys::call(self.number.into(), words) }?)
    }
}

/// Moves a descriptor to `floor` or above, with close-on-exec.
fn raise(fd: OwnedFd, floor: RawFd) -> Result<OwnedFd, Errno> {
    if fd.as_raw_fd() >= floor {
        return Ok(fd);
    }
    sys::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, floor as u64).map(|fd| sys::own(fd as RawFd))
}
