//! seccomp(2).

use alloc::vec::Vec;

use pinion_abi::channel::DATA;
use pinion_abi::seccomp::{action, Filter, Instruction};
use pinion_abi::Errno;

use super::process;
use crate::arch::Frame;
use crate::channel::{self, Owned};
use crate::mm::user;
use crate::seccomp;

const SET_MODE_STRICT: u64 = 0;
const SET_MODE_FILTER: u64 = 1;
const GET_ACTION_AVAIL: u64 = 2;

const TSYNC: u64 = 1;
const LOG: u64 = 2;
const SPEC_ALLOW: u64 = 4;
const TSYNC_ESRCH: u64 = 16;

/// prctl(2), PR_SET_SECCOMP.
const MODE_STRICT: u64 = 1;
const MODE_FILTER: u64 = 2;

/// The most instructions (BPF_MAXINSNS).
const MOST: u16 = 4096;

pub fn seccomp(frame: &mut Frame) -> Result<u64, Errno> {
    let [operation, flags, argument, ..] = frame.args();
    match (operation as u32).into() {
        SET_MODE_STRICT if flags as u32 == 0 && argument == 0 => strict(),
        SET_MODE_FILTER => filter(flags & 0xffff_ffff, argument),
        GET_ACTION_AVAIL if flags as u32 == 0 => is_available(argument),
        _ => Err(Errno::EINVAL),
    }
}

/// prctl(2), PR_SET_SECCOMP.
pub(super) fn set(mode: u64, program: u64) -> Result<u64, Errno> {
    match mode {
        MODE_STRICT => strict(),
        MODE_FILTER => filter(0, program),
        _ => Err(Errno::EINVAL),
    }
}

fn strict() -> Result<u64, Errno> {
    seccomp::set_strict().map(|()| 0)
}

/// Adds the filter of a `struct sock_fprog`. There are no listeners: the flags for them are EINVAL, as
/// before Linux 5.0.
fn filter(flags: u64, program: u64) -> Result<u64, Errno> {
    if flags & !(TSYNC | LOG | SPEC_ALLOW | TSYNC_ESRCH) != 0 {
        return Err(Errno::EINVAL);
    }
    let [length, address]: [u64; 2] = user::read(program)?;
    let length = length as u16;
    if length == 0 || length > MOST {
        return Err(Errno::EINVAL);
    }
    if !process::has_no_new_privileges() && !is_administrator() {
        return Err(Errno::EACCES);
    }
    let mut instructions = Vec::new();
    instructions
        .try_reserve_exact(length.into())
        .map_err(|_| Errno::ENOMEM)?;
    for index in 0..u64::from(length) {
        let word: u64 = user::read(address.wrapping_add(index * 8))?;
        instructions.push(Instruction::from_word(word));
    }
    let filter = Filter::new(instructions)?;
    match seccomp::add(filter, flags & TSYNC != 0)? {
        None => Ok(0),
        Some(_) if flags & TSYNC_ESRCH != 0 => Err(Errno::ESRCH),
        Some(thread) => Ok(thread.into()),
    }
}

/// Whether the thread has CAP_SYS_ADMIN.
fn is_administrator() -> bool {
    const CAPGET: u32 = 125;
    /// _LINUX_CAPABILITY_VERSION_3.
    const VERSION: u64 = 0x2008_0522;
    const CAP_SYS_ADMIN: u64 = 21;
    let slot = Owned::take_here();
    let header = DATA as u64;
    let at = slot.address() + header;
    // SAFETY: the slot is ours, and has room for the header and the sets.
    unsafe { (at as *mut [u64; 4]).write([VERSION, 0, 0, 0]) };
    let args = [header, header + 8, 0, 0, 0, 0];
    let told = channel::result(slot.call_here(CAPGET, &args));
    // SAFETY: as above; the effective set comes first.
    told.is_ok() && unsafe { ((at + 8) as *const u64).read() } >> CAP_SYS_ADMIN & 1 != 0
}

fn is_available(argument: u64) -> Result<u64, Errno> {
    let wanted: u32 = user::read(argument)?;
    match wanted {
        action::KILL_PROCESS
        | action::KILL_THREAD
        | action::TRAP
        | action::ERRNO
        | action::TRACE
        | action::LOG
        | action::ALLOW => Ok(0),
        _ => Err(Errno::EOPNOTSUPP),
    }
}
