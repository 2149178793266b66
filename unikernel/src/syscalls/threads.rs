//! What programs ask about threads and processors. There is one of each until threads come.

use pinion_abi::layout::USER_END;
use pinion_abi::Errno;

use crate::arch::Frame;
use crate::boot;
use crate::mm::user;

const CLOCK_NANOSLEEP: u32 = 230;

pub fn gettid(_: &mut Frame) -> Result<u64, Errno> {
    Ok(u64::from(boot::info().process.pid))
}

/// set_tid_address(2): the word is cleared when a thread ends and others may wait for that; the
/// only thread's end is the process' end.
pub fn set_tid_address(_: &mut Frame) -> Result<u64, Errno> {
    Ok(u64::from(boot::info().process.pid))
}

/// set_robust_list(2): the list matters when a thread dies and others live on.
pub fn set_robust_list(frame: &mut Frame) -> Result<u64, Errno> {
    const HEAD_BYTES: u64 = 24;
    if frame.rsi != HEAD_BYTES {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

pub fn sched_yield(_: &mut Frame) -> Result<u64, Errno> {
    Ok(0)
}

/// membarrier(2): with one thread, every barrier holds. MEMBARRIER_CMD_QUERY is 0.
pub fn membarrier(frame: &mut Frame) -> Result<u64, Errno> {
    const PRIVATE: u64 = 1 << 3 | 1 << 4;
    match frame.rdi {
        0 => Ok(PRIVATE),
        command if command & PRIVATE != 0 => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// futex(2) of a process with one thread: nobody wakes a waiter, so a wait ends by its timeout or
/// by a signal.
pub fn futex(frame: &mut Frame) -> Result<u64, Errno> {
    const WAIT: u64 = 0;
    const WAKE: u64 = 1;
    const WAIT_BITSET: u64 = 9;
    const WAKE_BITSET: u64 = 10;
    const PRIVATE: u64 = 128;
    const REALTIME: u64 = 256;
    let [word, operation, value, timeout, ..] = frame.args();
    if word % 4 != 0 {
        return Err(Errno::EINVAL);
    }
    if word >= USER_END {
        return Err(Errno::EFAULT);
    }
    match operation & 127 {
        WAIT | WAIT_BITSET => {
            if user::read::<u32>(word)? != value as u32 {
                return Err(Errno::EAGAIN);
            }
            if timeout == 0 {
                return super::signal::pause(frame);
            }
            let absolute = u64::from(operation & 127 == WAIT_BITSET);
            let clock = u64::from(operation & REALTIME == 0);
            let kinds = [
                pinion_abi::calls::Arg::Int,
                pinion_abi::calls::Arg::Int,
                pinion_abi::calls::Arg::In(16),
                pinion_abi::calls::Arg::Out(16),
            ];
            let args = [clock, absolute, timeout, 0, 0, 0];
            let wait = pinion_abi::calls::Wait::Always;
            super::host::call(CLOCK_NANOSLEEP, wait, &kinds, args)?;
            Err(Errno::ETIMEDOUT)
        }
        WAKE | WAKE_BITSET => {
            // A private futex is its address alone.
            if operation & PRIVATE == 0 {
                user::read::<u32>(word)?;
            }
            Ok(0)
        }
        _ => Err(Errno::ENOSYS),
    }
}
