//! Resource limits (getrlimit(2)): kept here for the program. Those of memory are enforced where memory is
//! mapped; those of what the host does for the program are the monitor's, too.

use pinion_abi::calls::machine;
use pinion_abi::Errno;
use spin::Mutex;

use core::sync::atomic::Ordering;

use crate::arch::Frame;
use crate::boot;
use crate::channel;
use crate::mm::user;

const CPU: usize = 0;
const FSIZE: usize = 1;
pub const DATA: usize = 2;
pub const STACK: usize = 3;
pub const NPROC: usize = 6;
pub const NOFILE: usize = 7;
pub const AS: usize = 9;
pub const SIGPENDING: usize = 11;
const MSGQUEUE: usize = 12;
const NICE: usize = 13;
const RTPRIO: usize = 14;
const RTTIME: usize = 15;
const COUNT: usize = 16;

/// (soft, hard); `None` until first asked.
static LIMITS: Mutex<Option<[[u64; 2]; COUNT]>> = Mutex::new(None);

fn with<T>(act: impl FnOnce(&mut [[u64; 2]; COUNT]) -> T) -> T {
    act(LIMITS
        .lock()
        .get_or_insert_with(|| boot::info().process.rlimits))
}

/// The soft limit of a resource.
pub fn soft(resource: usize) -> u64 {
    with(|limits| limits[resource][0])
}

/// (soft, hard) by number.
pub type Limits = [[u64; 2]; COUNT];

pub fn set_all(limits: Limits) {
    *LIMITS.lock() = Some(limits);
    tell();
}

/// Writes them where the monitor tells of them.
pub fn tell() {
    for (words, limit) in boot::portrait().limits.iter().zip(all()) {
        words[0].store(limit[0], Ordering::Relaxed);
        words[1].store(limit[1], Ordering::Relaxed);
    }
}

/// All, by number.
pub fn all() -> Limits {
    with(|limits| *limits)
}

fn index(resource: u64) -> Result<usize, Errno> {
    usize::try_from(resource as u32)
        .ok()
        .filter(|at| *at < COUNT)
        .ok_or(Errno::EINVAL)
}

fn set(resource: usize, new: [u64; 2]) -> Result<(), Errno> {
    if new[0] > new[1] {
        return Err(Errno::EINVAL);
    }
    let old = with(|limits| limits[resource]);
    if new[1] > old[1] {
        return Err(Errno::EPERM);
    }
    match resource {
        // Descriptors are the monitor's: it refuses numbers from the soft limit on.
        NOFILE => ask(machine::SET_NOFILE, [new[0], new[1], 0, 0, 0])?,
        CPU | FSIZE | MSGQUEUE | NICE | RTPRIO | RTTIME => {
            ask(machine::LIMIT, [resource as u64, new[0], new[1], 0, 0])?
        }
        _ => {}
    }
    with(|limits| limits[resource] = new);
    tell();
    Ok(())
}

fn ask(request: u32, args: [u64; 5]) -> Result<(), Errno> {
    channel::result(channel::machine_call(request, args)).map(|_| ())
}

pub fn getrlimit(frame: &mut Frame) -> Result<u64, Errno> {
    let resource = index(frame.rdi)?;
    let limit = with(|limits| limits[resource]);
    user::write(frame.rsi, &limit)?;
    Ok(0)
}

pub fn setrlimit(frame: &mut Frame) -> Result<u64, Errno> {
    let resource = index(frame.rdi)?;
    set(resource, user::read(frame.rsi)?)?;
    Ok(0)
}

/// prlimit64(2) for the process itself; others' limits are not ours to change.
pub fn prlimit64(frame: &mut Frame) -> Result<u64, Errno> {
    let [pid, resource, new, old, ..] = frame.args();
    let own = u64::from(boot::info().process.pid);
    if pid as u32 != 0 && u64::from(pid as u32) != own {
        return Err(Errno::EPERM);
    }
    let resource = index(resource)?;
    let before = with(|limits| limits[resource]);
    if new != 0 {
        set(resource, user::read(new)?)?;
    }
    if old != 0 {
        user::write(old, &before)?;
    }
    Ok(0)
}
