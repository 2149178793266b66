//! Clocks, read by the host's own vDSO code where its pages are mapped: programs mostly call that
//! code themselves.

use pinion_abi::calls::machine;
use pinion_abi::Errno;

use crate::arch::Frame;
use crate::channel;
use crate::mm::user;
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
    let slot = channel::Owned::take();
    let offset = pinion_abi::channel::DATA as u64;
    let args = [clock, offset, 0, 0, 0, 0];
    // A thread's clock is that of the thread that serves.
    let blocks = clock as i32 == CLOCK_THREAD_CPUTIME_ID || (clock as i32) < 0;
    channel::result(slot.call(number, &args, blocks))?;
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
