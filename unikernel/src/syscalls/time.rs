//! Clocks, read by the host's own vDSO code where its pages are mapped: programs mostly call that
//! code themselves.

use pinion_abi::calls::{machine, Wait};
use pinion_abi::Errno;

use crate::arch::Frame;
use crate::channel;
use crate::mm::user;
use crate::threads::scheduler::{self, Woken};
use crate::vdso;

const CLOCK_REALTIME: u64 = 0;
const CLOCK_THREAD_CPUTIME_ID: i32 = 3;

/// The time of a clock: seconds and nanoseconds.
fn now(clock: u64) -> Result<[i64; 2], Errno> {
    if let Some(time) = vdso::clock_gettime(clock as i32) {
        return Ok(time);
    }
    from_host(machine::CLOCK_GETTIME, clock)
}

fn from_host(number: u32, clock: u64) -> Result<[i64; 2], Errno> {
    // A thread's clock is that of the thread that serves.
    let here = clock as i32 == CLOCK_THREAD_CPUTIME_ID || (clock as i32) < 0;
    let slot = match here {
        true => channel::Owned::take_here(),
        false => channel::Owned::take(),
    };
    let offset = pinion_abi::channel::DATA as u64;
    let args = [clock, offset, 0, 0, 0, 0];
    channel::result(if here {
        slot.call_here(number, &args)
    } else {
        slot.call(number, &args, Wait::Never)
    })?;
    // SAFETY: the slot is ours, and its data begin with the answer.
    Ok(unsafe { ((slot.address() + offset) as *const [i64; 2]).read() })
}

pub fn clock_gettime(frame: &mut Frame) -> Result<u64, Errno> {
    let time = now(frame.rdi)?;
    user::write(frame.rsi, &time)?;
    Ok(0)
}

pub fn clock_getres(frame: &mut Frame) -> Result<u64, Errno> {
    let resolution = from_host(machine::CLOCK_GETRES, frame.rdi)?;
    if frame.rsi != 0 {
        user::write(frame.rsi, &resolution)?;
    }
    Ok(0)
}

pub fn gettimeofday(frame: &mut Frame) -> Result<u64, Errno> {
    let [seconds, nanoseconds] = now(CLOCK_REALTIME)?;
    if frame.rdi != 0 {
        user::write(frame.rdi, &[seconds, nanoseconds / 1000])?;
    }
    if frame.rsi != 0 {
        user::write(frame.rsi, &[0i32; 2])?;
    }
    Ok(0)
}

pub fn time(frame: &mut Frame) -> Result<u64, Errno> {
    let [seconds, _] = now(CLOCK_REALTIME)?;
    if frame.rdi != 0 {
        user::write(frame.rdi, &seconds)?;
    }
    Ok(seconds as u64)
}

const CLOCK_MONOTONIC: u64 = 1;
const NANOSECONDS: u64 = 1_000_000_000;

/// The monotonic clock, in nanoseconds.
pub fn monotonic() -> u64 {
    now(CLOCK_MONOTONIC).map_or(0, |time| nanoseconds(time).unwrap_or(0))
}

fn nanoseconds([seconds, nanoseconds]: [i64; 2]) -> Option<u64> {
    let valid = seconds >= 0 && (0..NANOSECONDS as i64).contains(&nanoseconds);
    valid.then(|| {
        (seconds as u64)
            .saturating_mul(NANOSECONDS)
            .saturating_add(nanoseconds as u64)
    })
}

/// The deadline, by the monotonic clock, of a time that a call was given.
pub fn deadline(clock: u64, absolute: bool, time: [i64; 2]) -> Result<u64, Errno> {
    let time = nanoseconds(time).ok_or(Errno::EINVAL)?;
    if !absolute {
        return Ok(monotonic().saturating_add(time));
    }
    if clock == CLOCK_MONOTONIC {
        return Ok(time);
    }
    let there = nanoseconds(now(clock)?).unwrap_or(0);
    Ok(monotonic().saturating_add(time.saturating_sub(there)))
}

/// Sleeps; a signal ends that early, and the time that was left is written to `left`.
fn sleep(deadline: u64, left: u64) -> Result<u64, Errno> {
    scheduler::prepare();
    if scheduler::block(Some(deadline.max(1))) != Woken::Interrupted {
        return Ok(0);
    }
    if left != 0 {
        let time = deadline.saturating_sub(monotonic());
        user::write(left, &[time / NANOSECONDS, time % NANOSECONDS])?;
    }
    Err(Errno::EINTR)
}

pub fn nanosleep(frame: &mut Frame) -> Result<u64, Errno> {
    let until = deadline(CLOCK_MONOTONIC, false, user::read(frame.rdi)?)?;
    sleep(until, frame.rsi)
}

pub fn clock_nanosleep(frame: &mut Frame) -> Result<u64, Errno> {
    const TIMER_ABSTIME: u64 = 1;
    let [clock, flags, request, left, ..] = frame.args();
    match clock as i32 {
        // Realtime, monotonic, of the process, boottime, the alarms, and TAI.
        0..=2 | 7..=9 | 11 => {}
        // Raw and coarse clocks have no timers.
        4..=6 => return Err(Errno::EOPNOTSUPP),
        _ => return Err(Errno::EINVAL),
    }
    let absolute = flags & TIMER_ABSTIME != 0;
    let until = deadline(clock, absolute, user::read(request)?)?;
    sleep(until, if absolute { 0 } else { left })
}
