//! Failed system calls.

use std::fmt;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// An error number of Linux. It is displayed in strerror(3)'s words with a small first letter, as
/// Go's programs print it and engines search for it: `no such file or directory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The calling thread's errno.
    pub fn last() -> Errno {
        std::io::Error::last_os_error().into()
    }
}

impl From<std::io::Error> for Errno {
    fn from(error: std::io::Error) -> Errno {
        Errno(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::io::Error::from_raw_os_error(self.0).to_string();
        let text = text.split(" (os error").next().unwrap_or_default();
        let mut letters = text.chars();
        match letters.next() {
            Some(first) => write!(f, "{}{}", first.to_ascii_lowercase(), letters.as_str()),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl std::error::Error for Errno {}

/// What a system call returned: -1 means that errno is set.
pub fn check(result: impl Into<i64>) -> Result<i64, Errno> {
    match result.into() {
        -1 => Err(Errno::last()),
        value => Ok(value),
    }
}

/// As [`check`], for a call that returns a new descriptor of which nobody else knows.
pub fn check_fd(result: impl Into<i64>) -> Result<OwnedFd, Errno> {
    let fd = check(result)?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno(libc::EBADF))?;
    // SAFETY: the caller's call has just made this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn words_are_those_that_engines_search_for() {
        assert_eq!(Errno(libc::ENOENT).to_string(), "no such file or directory");
        assert_eq!(Errno(libc::EACCES).to_string(), "permission denied");
        assert_eq!(Errno(libc::EISDIR).to_string(), "is a directory");
        assert_eq!(Errno(libc::EPERM).to_string(), "operation not permitted");
    }
}
