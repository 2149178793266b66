//! Signal state that a new process inherits and a container must not.

use crate::errno::{check, Errno};

/// The default action for every signal, and none blocked. Rust's start-up ignores SIGPIPE and
/// handles SIGSEGV; engines ignore others.
pub fn reset() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: zero is a value of each of the struct's fields, SIG_DFL among them. That SIGKILL,
        // SIGSTOP and libc's own signals refuse is no matter.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
    // SAFETY: sigemptyset(3) initialises the set.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// A write to who is gone shall be an error, until [`reset`].
pub fn ignore_broken_pipes() {
    // SAFETY: signal(2) takes numbers.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// What a process keeps of the program before: sets with bit N - 1 for signal N.
pub fn take_over(ignored: u64, blocked: u64) {
    let among = |set: u64, signal: i32| set >> (signal - 1) & 1 != 0;
    // SAFETY: as in `reset`.
    unsafe {
        for signal in (1..=libc::SIGRTMAX()).filter(|signal| among(ignored, *signal)) {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = libc::SIG_IGN;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in (1..=libc::SIGRTMAX()).filter(|signal| among(blocked, *signal)) {
            libc::sigaddset(&mut set, signal);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}

/// SIGKILL for this process when its parent ends; 0: none.
pub fn die_with_parent(signal: i32) -> Result<(), Errno> {
    // SAFETY: this operation takes numbers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) })?;
    Ok(())
}

/// strsignal(3) as Go's programs print it: `segmentation fault`.
pub fn describe(signal: i32) -> String {
    // SAFETY: strsignal(3) returns a string, of this thread if it is none of libc's own.
    let text = unsafe { std::ffi::CStr::from_ptr(libc::strsignal(signal)) };
    text.to_string_lossy().to_lowercase()
}
