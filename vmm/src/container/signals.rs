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
