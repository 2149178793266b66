//! The process itself: its ids, its end, prctl(2), arch_prctl(2).

use pinion_abi::calls::{machine, Wait};
use pinion_abi::layout::USER_END;
use pinion_abi::Errno;
use spin::Mutex;

use crate::arch::{self, Frame};
use crate::boot;
use crate::channel::{self, Owned};
use crate::mm::user;
use crate::seccomp;
use crate::threads::scheduler;

/// exit_group(2): the monitor ends with this status.
fn end(code: u64) -> ! {
    let args = [code & 0xff, 0, 0, 0, 0, 0];
    loop {
        Owned::take().call(machine::EXIT, &args, Wait::Always);
    }
}

/// The process dies of a signal.
pub fn exit_with_signal(signal: u32) -> ! {
    let args = [u64::from(signal), 0, 0, 0, 0, 0];
    loop {
        Owned::take().call(machine::EXIT_SIGNAL, &args, Wait::Always);
    }
}

pub fn exit(frame: &mut Frame) -> Result<u64, Errno> {
    if scheduler::count() == 1 {
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

/// personality(2): Linux, and nothing else.
pub fn personality(frame: &mut Frame) -> Result<u64, Errno> {
    match frame.rdi as u32 {
        0 | 0xffff_ffff => Ok(0),
        _ => Err(Errno::EINVAL),
    }
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

/// What prctl(2) keeps for the process.
struct Attributes {
    name: [u8; 16],
    dumpable: u64,
    keep_capabilities: u64,
    death_signal: u32,
    timer_slack: u64,
    no_new_privileges: bool,
}

static ATTRIBUTES: Mutex<Attributes> = Mutex::new(Attributes {
    name: [0; 16],
    dumpable: 1,
    keep_capabilities: 0,
    death_signal: 0,
    timer_slack: 50_000,
    no_new_privileges: false,
});

/// A child of fork(2) is not told of its parent's death.
pub fn forget_death_signal() {
    ATTRIBUTES.lock().death_signal = 0;
}

/// prctl(2), PR_GET_TIMERSLACK.
pub fn timer_slack() -> u64 {
    ATTRIBUTES.lock().timer_slack
}

/// What a program keeps of the one before it.
pub fn set_timer_slack(nanoseconds: u64) {
    if nanoseconds != 0 {
        ATTRIBUTES.lock().timer_slack = nanoseconds;
    }
}

/// The first name of the process: the last part of its program's path.
pub fn set_name(path: &[u8]) {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let mut attributes = ATTRIBUTES.lock();
    attributes.name = [0; 16];
    let bytes = name.len().min(15);
    attributes.name[..bytes].copy_from_slice(&name[..bytes]);
}

/// prctl(2), PR_GET_NO_NEW_PRIVS.
pub fn has_no_new_privileges() -> bool {
    boot::info().process.no_new_privileges != 0 || ATTRIBUTES.lock().no_new_privileges
}

/// The host is told: it is what judges privileges.
fn set_no_new_privileges() -> Result<u64, Errno> {
    const PRCTL: u32 = 157;
    let args = [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0];
    channel::result(Owned::take().call_here(PRCTL, &args))?;
    ATTRIBUTES.lock().no_new_privileges = true;
    Ok(0)
}

const PR_SET_PDEATHSIG: u64 = 1;
const PR_GET_PDEATHSIG: u64 = 2;
const PR_GET_DUMPABLE: u64 = 3;
const PR_SET_DUMPABLE: u64 = 4;
const PR_GET_KEEPCAPS: u64 = 7;
const PR_SET_KEEPCAPS: u64 = 8;
const PR_SET_NAME: u64 = 15;
const PR_GET_NAME: u64 = 16;
const PR_GET_SECCOMP: u64 = 21;
const PR_SET_SECCOMP: u64 = 22;
const PR_SET_TIMERSLACK: u64 = 29;
const PR_GET_TIMERSLACK: u64 = 30;
const PR_SET_NO_NEW_PRIVS: u64 = 38;
const PR_GET_NO_NEW_PRIVS: u64 = 39;

/// prctl(2) for the options that the kernel can answer alone; others are EINVAL, as Linux answers
/// for options that it does not have.
pub fn prctl(frame: &mut Frame) -> Result<u64, Errno> {
    let [option, argument, third, fourth, fifth, _] = frame.args();
    match (option, argument, [third, fourth, fifth]) {
        (PR_GET_SECCOMP, ..) => return Ok(seccomp::mode()),
        (PR_SET_SECCOMP, mode, [program, ..]) => return super::filters::set(mode, program),
        (PR_SET_NO_NEW_PRIVS, 1, [0, 0, 0]) => return set_no_new_privileges(),
        (PR_GET_NO_NEW_PRIVS, 0, [0, 0, 0]) => return Ok(has_no_new_privileges().into()),
        _ => {}
    }
    let mut attributes = ATTRIBUTES.lock();
    match option {
        PR_SET_PDEATHSIG if argument <= 64 => attributes.death_signal = argument as u32,
        PR_GET_PDEATHSIG => {
            let signal = attributes.death_signal;
            drop(attributes);
            user::write(argument, &signal)?;
        }
        PR_GET_DUMPABLE => return Ok(attributes.dumpable),
        PR_SET_DUMPABLE if argument <= 1 => attributes.dumpable = argument,
        PR_GET_KEEPCAPS => return Ok(attributes.keep_capabilities),
        PR_SET_KEEPCAPS if argument <= 1 => attributes.keep_capabilities = argument,
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
            ATTRIBUTES.lock().name = name;
        }
        PR_GET_NAME => {
            let name = attributes.name;
            drop(attributes);
            user::write(argument, &name)?;
        }
        PR_SET_TIMERSLACK => {
            attributes.timer_slack = if argument == 0 { 50_000 } else { argument };
        }
        PR_GET_TIMERSLACK => return Ok(attributes.timer_slack),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
