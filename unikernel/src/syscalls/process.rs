//! The process itself: its ids, its end, prctl(2), arch_prctl(2).

use pinion_abi::boot::ProcessInfo;
use pinion_abi::calls::{machine, Wait};
use pinion_abi::layout::USER_END;
use pinion_abi::Errno;
use spin::Mutex;

use core::sync::atomic::Ordering;

use crate::arch::{self, Frame};
use crate::boot;
use crate::channel::{self, Owned};
use crate::mm::user;
use crate::seccomp;
use crate::syscalls::threads::shared;
use crate::threads::futex::owner;
use crate::threads::{current, scheduler};

/// exit_group(2): the monitor ends with this status.
fn end(code: u64) -> ! {
    release_locks();
    let args = [code & 0xff, 0, 0, 0, 0, 0];
    loop {
        Owned::take().call(machine::EXIT, &args, Wait::Always);
        // It was a child that used this machine for a while.
        shared::finish();
    }
}

/// Other processes may wait for locks that this one holds.
pub fn release_locks() {
    // A child that shares its parent's memory holds none of the other threads'.
    if !shared::active() {
        owner::release_all();
    }
}

/// Whether it may hold any.
pub fn holds_locks() -> bool {
    !shared::active() && owner::holds_any()
}

/// The process dies of a signal.
pub fn exit_with_signal(signal: u32) -> ! {
    release_locks();
    let args = [u64::from(signal), 0, 0, 0, 0, 0];
    loop {
        Owned::take().call(machine::EXIT_SIGNAL, &args, Wait::Always);
        shared::finish();
    }
}

pub fn exit(frame: &mut Frame) -> Result<u64, Errno> {
    if scheduler::count() == 1 || shared::active() {
        end(frame.rdi)
    }
    end_thread()
}

/// The running thread ends; it is not the last one.
pub fn end_thread() -> ! {
    super::threads::release();
    scheduler::end()
}

pub fn exit_group(frame: &mut Frame) -> Result<u64, Errno> {
    end(frame.rdi)
}

pub fn getpid(_: &mut Frame) -> Result<u64, Errno> {
    Ok(u64::from(boot::info().process.pid))
}

/// personality(2): Linux, with what changes nothing here but what it tells.
pub fn personality(frame: &mut Frame) -> Result<u64, Errno> {
    /// PER_MASK; PER_LINUX and PER_LINUX32 (linux/personality.h).
    const KIND: u32 = 0xff;
    const LINUX32: u32 = 8;
    /// READ_IMPLIES_EXEC, ADDR_LIMIT_32BIT, ADDR_LIMIT_3GB, MMAP_PAGE_ZERO: they change mappings.
    const UNSUPPORTED: u32 = 0x040_0000 | 0x080_0000 | 0x800_0000 | 0x010_0000;
    let wanted = frame.rdi as u32;
    let mut attributes = ATTRIBUTES.lock();
    let old = attributes.personality;
    if wanted != u32::MAX {
        if ![0, LINUX32].contains(&(wanted & KIND)) || wanted & UNSUPPORTED != 0 {
            boot::missing().count_command(frame.original as u32, wanted);
            return Err(Errno::EINVAL);
        }
        attributes.personality = wanted;
    }
    Ok(old.into())
}

const ARCH_SET_GS: u64 = 0x1001;
const ARCH_SET_FS: u64 = 0x1002;
const ARCH_GET_FS: u64 = 0x1003;
const ARCH_GET_GS: u64 = 0x1004;

pub fn arch_prctl(frame: &mut Frame) -> Result<u64, Errno> {
    match frame.rdi {
        ARCH_SET_FS if frame.rsi < USER_END => arch::set_fs_base(frame.rsi),
        ARCH_SET_GS if frame.rsi < USER_END => arch::set_gs_base(frame.rsi),
        ARCH_SET_FS | ARCH_SET_GS => return Err(Errno::EPERM),
        ARCH_GET_FS => user::write(frame.rsi, &arch::fs_base())?,
        ARCH_GET_GS => user::write(frame.rsi, &arch::gs_base())?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// What prctl(2) and personality(2) keep for the process.
#[derive(Clone, Copy)]
pub struct Attributes {
    dumpable: u64,
    timer_slack: u64,
    personality: u32,
}

static ATTRIBUTES: Mutex<Attributes> = Mutex::new(Attributes {
    dumpable: 1,
    timer_slack: 50_000,
    personality: 0,
});

/// For the time of a vfork(2).
pub fn attributes() -> Attributes {
    *ATTRIBUTES.lock()
}

pub fn set_attributes(attributes: Attributes) {
    *ATTRIBUTES.lock() = attributes;
    tell_dumpable(attributes.dumpable);
}

/// What the next program has of it: prctl(2), PR_GET_TIMERSLACK, and personality(2).
pub fn inherited() -> (u64, u64) {
    let attributes = attributes();
    (attributes.timer_slack, attributes.personality.into())
}

/// What a program keeps of the one before it.
pub fn inherit(process: &ProcessInfo) {
    /// What a program that gains rights begins without (PER_CLEAR_ON_SETID, linux/personality.h).
    const UNSAFE: u32 = 0x004_0000 | 0x010_0000 | 0x020_0000 | 0x040_0000;
    let inherited = &process.inherited;
    let mut attributes = ATTRIBUTES.lock();
    if inherited.timer_slack != 0 {
        attributes.timer_slack = inherited.timer_slack;
    }
    let kept = if process.secure != 0 { !UNSAFE } else { !0 };
    attributes.personality = inherited.personality as u32 & kept;
}

/// What the program begins with. Its name is the last part of its path.
pub fn begin(path: &[u8]) {
    let dumpable = boot::info().process.dumpable.into();
    ATTRIBUTES.lock().dumpable = dumpable;
    tell_dumpable(dumpable);
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let bytes = name.len().min(15);
    let mut own = [0; 16];
    own[..bytes].copy_from_slice(&name[..bytes]);
    current().set_name(own);
}

fn tell_dumpable(dumpable: u64) {
    boot::portrait().dumpable.store(dumpable, Ordering::Relaxed);
}

const PR_SET_PDEATHSIG: u64 = 1;
const PR_GET_PDEATHSIG: u64 = 2;
const PR_GET_DUMPABLE: u64 = 3;
const PR_SET_DUMPABLE: u64 = 4;
const PR_GET_KEEPCAPS: u64 = 7;
const PR_SET_KEEPCAPS: u64 = 8;
const PR_GET_SECCOMP: u64 = 21;
const PR_SET_SECCOMP: u64 = 22;
const PR_CAPBSET_READ: u64 = 23;
const PR_CAPBSET_DROP: u64 = 24;
const PR_GET_SECUREBITS: u64 = 27;
const PR_SET_SECUREBITS: u64 = 28;
const PR_SET_CHILD_SUBREAPER: u64 = 36;
const PR_GET_CHILD_SUBREAPER: u64 = 37;
const PR_SET_NO_NEW_PRIVS: u64 = 38;
const PR_GET_NO_NEW_PRIVS: u64 = 39;
const PR_CAP_AMBIENT: u64 = 47;
/// prctl(2)'s own number.
const PRCTL: u32 = 157;
const PR_SET_NAME: u64 = 15;
const PR_GET_NAME: u64 = 16;
const PR_SET_TIMERSLACK: u64 = 29;
const PR_GET_TIMERSLACK: u64 = 30;

/// prctl(2), PR_GET_NO_NEW_PRIVS.
pub fn has_no_new_privileges() -> bool {
    let args = [PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0];
    channel::result(Owned::take_here().call_here(PRCTL, &args)) == Ok(1)
}

/// A number of an option, made by the vCPU's thread: what is set is that thread's.
fn at_host(frame: &Frame) -> Result<u64, Errno> {
    channel::result(Owned::take_here().call_here(PRCTL, &frame.args()))
}

/// prctl(2). Privileges, parent and children are the host's; options that are neither here nor there
/// are EINVAL, as Linux answers for those that it does not have.
pub fn prctl(frame: &mut Frame) -> Result<u64, Errno> {
    let [option, argument, program, ..] = frame.args();
    match option {
        PR_GET_SECCOMP => return Ok(seccomp::mode()),
        PR_SET_SECCOMP => return super::filters::set(argument, program),
        _ => {}
    }
    let mut attributes = ATTRIBUTES.lock();
    match option {
        PR_GET_PDEATHSIG | PR_GET_CHILD_SUBREAPER => {
            drop(attributes);
            let value = at_host(frame)? as u32;
            user::write(argument, &value)?;
        }
        PR_SET_PDEATHSIG
        | PR_GET_KEEPCAPS
        | PR_SET_KEEPCAPS
        | PR_CAPBSET_READ
        | PR_CAPBSET_DROP
        | PR_GET_SECUREBITS
        | PR_SET_SECUREBITS
        | PR_SET_CHILD_SUBREAPER
        | PR_SET_NO_NEW_PRIVS
        | PR_GET_NO_NEW_PRIVS
        | PR_CAP_AMBIENT => {
            drop(attributes);
            return at_host(frame);
        }
        PR_GET_DUMPABLE => return Ok(attributes.dumpable),
        PR_SET_DUMPABLE if argument <= 1 => {
            attributes.dumpable = argument;
            tell_dumpable(argument);
        }
        PR_SET_DUMPABLE => return Err(Errno::EINVAL),
        PR_SET_NAME => {
            drop(attributes);
            let mut name = [0; 16];
            let length = name.len() as u64 - 1;
            let address = name.as_mut_ptr() as u64;
            // SAFETY: `name` has room for `length` bytes.
            match unsafe { user::copy_string_raw(address, argument, length) } {
                Ok(_) | Err(Errno::ENAMETOOLONG) => {}
                Err(error) => return Err(error),
            }
            current().set_name(name);
            // The host shows the process under its first thread's.
            if current().id() == boot::info().process.pid {
                let (low, high) = (&name[..8], &name[8..]);
                let word = |bytes: &[u8]| {
                    bytes
                        .iter()
                        .rev()
                        .fold(0, |word, byte| word << 8 | u64::from(*byte))
                };
                let args = [PR_SET_NAME, word(low), word(high), 0, 0, 0];
                return channel::result(Owned::take_here().call_here(PRCTL, &args));
            }
        }
        PR_GET_NAME => {
            drop(attributes);
            let name = current().name();
            user::write(argument, &name)?;
        }
        PR_SET_TIMERSLACK => {
            attributes.timer_slack = if argument == 0 { 50_000 } else { argument };
        }
        PR_GET_TIMERSLACK => return Ok(attributes.timer_slack),
        option => {
            boot::missing().count_command(PRCTL, option as u32);
            return Err(Errno::EINVAL);
        }
    }
    Ok(0)
}
