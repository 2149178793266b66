//! Waiting for a word to change (futex(2)), within this process.

use std::sync::atomic::AtomicU32;

/// Waits while the word is `value`, at the longest until `deadline` (nanoseconds of the monotonic
/// clock; 0: none). Comes back early for a signal.
pub fn wait_until(word: &AtomicU32, value: u32, deadline: u64) {
    let time = libc::timespec {
        tv_sec: (deadline / 1_000_000_000) as libc::time_t,
        tv_nsec: (deadline % 1_000_000_000) as libc::c_long,
    };
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
