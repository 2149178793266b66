//! The guest's timers (timer_create(2)) are the host's, so that every clock, its steps and a process's
//! time are Linux's own. They tell of their expiry by a signal to the vCPU's thread that is no
//! signal of the guest's: the kernel makes of it what the program asked for.

use pinion_abi::channel::TIMER;
use pinion_abi::Errno;

use super::kick::Target;
use super::requests::last_errno;

/// struct sigevent (sigevent(3)) as the kernel has it.
#[repr(C)]
struct Event {
    value: u64,
    signal: i32,
    notify: i32,
    thread: i32,
    _rest: [i32; 11],
}

/// timer_create(2), for the guest's vCPU: the timer's id.
pub fn create(clock: u64, vcpu: Target) -> Result<i64, Errno> {
    let mut event = Event {
        value: 0,
        signal: TIMER,
        notify: libc::SIGEV_THREAD_ID,
        thread: vcpu.thread(),
        _rest: [0; 11],
    };
    let mut id = 0i32;
    // SAFETY: the call reads one struct sigevent and writes one integer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_timer_create,
            clock as libc::clockid_t,
            &mut event,
            &mut id,
        )
    };
    match result {
        0 => Ok(i64::from(id)),
        _ => Err(last_errno()),
    }
}

/// timer_delete(2).
pub fn delete(id: u64) -> Result<i64, Errno> {
    // SAFETY: the call takes a number.
    match unsafe { libc::syscall(libc::SYS_timer_delete, id as i32) } {
        0 => Ok(0),
        _ => Err(last_errno()),
    }
}
