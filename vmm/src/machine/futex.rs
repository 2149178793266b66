//! Waiting for a word to change (futex(2)), within this process; and of the guest, among processes.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use pinion_abi::Errno;

use super::requests::last_errno;

/// FUTEX_WAIT_BITSET of a word in the guest's memory; `deadline` as in [`wait_until`].
pub fn wait_shared(word: *mut u32, value: u64, bits: u64, deadline: u64) -> Result<i64, Errno> {
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
