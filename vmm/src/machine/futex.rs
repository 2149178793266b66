//! Waiting for a word to change (futex(2)), within this process; and of the guest, among processes.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use pinion_abi::calls::machine::FUTEX_ANY_VALUE;
use pinion_abi::Errno;

use super::requests::last_errno;
use super::ticker::monotonic;

/// How often a waiter looks whether the owner of a lock lives (nanoseconds).
const LOOK: u64 = 250_000_000;

/// FUTEX_WAIT_BITSET of a word in the guest's memory; `deadline` as in [`wait_until`]. EOWNERDEAD when
/// `owner` is not 0, and that process has ended.
pub fn wait_shared(
    word: *mut u32,
    value: u64,
    bits: u64,
    deadline: u64,
    owner: u64,
) -> Result<i64, Errno> {
    if owner == 0 {
        return wait_for_bits(word, value, bits, deadline);
    }
    loop {
        if !lives(owner) {
            return Err(Errno::EOWNERDEAD);
        }
        let look = monotonic().saturating_add(LOOK);
        let until = match deadline {
            0 => look,
            deadline => deadline.min(look),
        };
        match wait_for_bits(word, value, bits, until) {
            Err(Errno::ETIMEDOUT) if until != deadline => {}
            result => return result,
        }
    }
}

fn wait_for_bits(word: *mut u32, value: u64, bits: u64, deadline: u64) -> Result<i64, Errno> {
    let time = timespec(deadline);
    let timeout = if deadline == 0 {
        std::ptr::null()
    } else {
        &raw const time
    };
    // SAFETY: the host checks the word's address; the time lives through the call.
    let result = unsafe {
        let none = std::ptr::null::<u32>();
        let operation = libc::FUTEX_WAIT_BITSET;
        libc::syscall(
            libc::SYS_futex,
            word,
            operation,
            value as u32,
            timeout,
            none,
            bits as u32,
        )
    };
    checked(result)
}

/// linux/futex.h.
pub const SYS_FUTEX_WAITV: libc::c_long = 449;
const FUTEX_32: u32 = 2;

#[repr(C)]
struct Waiter {
    value: u64,
    address: u64,
    flags: u32,
    _reserved: u32,
}

/// futex_waitv(2) of words in the guest's memory, each while it is its value.
pub fn wait_for_one(words: &[(*mut u32, u64)], deadline: u64) -> Result<i64, Errno> {
    let waiters = words.iter().map(|(word, value)| Waiter {
        value: *value,
        address: *word as u64,
        flags: FUTEX_32,
        _reserved: 0,
    });
    let waiters: Vec<Waiter> = waiters.collect();
    let time = timespec(deadline);
    let timeout = if deadline == 0 {
        std::ptr::null()
    } else {
        &raw const time
    };
    // SAFETY: the host checks the words' addresses; waiters and time live through the call.
    let result = unsafe {
        libc::syscall(
            SYS_FUTEX_WAITV,
            waiters.as_ptr(),
            waiters.len(),
            0,
            timeout,
            libc::CLOCK_MONOTONIC,
        )
    };
    checked(result)
}

/// FUTEX_WAKE_BITSET of a word in the guest's memory.
pub fn wake_shared(word: *mut u32, count: u64, bits: u64) -> Result<i64, Errno> {
    // SAFETY: as above.
    let result = unsafe {
        let none = std::ptr::null::<u32>();
        let operation = libc::FUTEX_WAKE_BITSET;
        libc::syscall(
            libc::SYS_futex,
            word,
            operation,
            count as u32,
            none,
            none,
            bits as u32,
        )
    };
    checked(result)
}

/// FUTEX_REQUEUE or FUTEX_CMP_REQUEUE of words in the guest's memory; the counts and the value as the
/// machine request has them.
pub fn requeue_shared(
    word: *mut u32,
    target: *mut u32,
    counts: u64,
    expected: u64,
) -> Result<i64, Errno> {
    let operation = match expected {
        FUTEX_ANY_VALUE => libc::FUTEX_REQUEUE,
        _ => libc::FUTEX_CMP_REQUEUE,
    };
    let (woken, moved) = (counts as u32, counts >> 32);
    // SAFETY: the host checks the words' addresses.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            operation,
            woken,
            moved,
            target,
            expected as u32,
        )
    };
    checked(result)
}

/// Whether a process has not ended. One that nobody has waited for has; but only its parent can tell.
/// No descriptor is used for that: its number would be the guest's.
pub(super) fn lives(process: u64) -> bool {
    let Ok(process) = libc::pid_t::try_from(process) else {
        return true;
    };
    // SAFETY: kill(2) takes numbers; signal 0 is none.
    if unsafe { libc::kill(process, 0) } == -1 {
        return last_errno() != Errno::ESRCH;
    }
    // SAFETY: siginfo_t consists of integers; zero is a value of each.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: waitid(2) fills the structure; it has the child stay as it is.
    let asked = unsafe { libc::waitid(libc::P_PID, process as libc::id_t, &mut info, options) };
    // SAFETY: si_pid is what waitid(2) sets, and 0 if it found none.
    asked == -1 || unsafe { info.si_pid() } == 0
}

fn checked(result: i64) -> Result<i64, Errno> {
    match result {
        -1 => Err(last_errno()),
        result => Ok(result),
    }
}

fn timespec(nanoseconds: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as libc::time_t,
        tv_nsec: (nanoseconds % 1_000_000_000) as libc::c_long,
    }
}

/// Waits while the word is `value`, at the longest until `deadline` (nanoseconds of the monotonic
/// clock; 0: none). Comes back early for a signal.
pub fn wait_until(word: &AtomicU32, value: u32, deadline: u64) {
    let time = timespec(deadline);
    let timeout: *const libc::timespec = if deadline == 0 {
        std::ptr::null()
    } else {
        &time
    };
    // SAFETY: the word and the time live through the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            value,
            timeout,
            std::ptr::null::<u32>(),
            u32::MAX,
        )
    };
}

/// As [`wait_until`], of a word that processes share.
pub fn wait_among(word: &AtomicU32, value: u32, deadline: u64) {
    // It is looked at again, whatever ended the wait.
    let _ = wait_for_bits(word.as_ptr(), value.into(), u32::MAX.into(), deadline);
}

/// Wakes all that wait for a word that processes share.
pub fn wake_all(word: &AtomicU32) {
    // Who waits looks again before long, too.
    let _ = wake_shared(word.as_ptr(), i32::MAX as u64, u32::MAX.into());
}

/// Waits while the word is `value`, at the longest for `span`.
pub fn wait_for(word: &AtomicU32, value: u32, span: Duration) {
    let time = timespec(span.as_nanos() as u64);
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word and the time live through the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            operation,
            value,
            &raw const time,
        )
    };
}

/// Waits while the word is `value`.
pub fn wait(word: &AtomicU32, value: u32) {
    wait_until(word, value, 0);
}

/// Wakes one thread that waits for the word.
pub fn wake(word: &AtomicU32) {
    // SAFETY: the word lives through the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        )
    };
}
