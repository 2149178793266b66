//! The regular file that was last opened for reading, of which the monitor told the state (stat(2)): what a
//! server does with it next, to ask for its size, to send it and to close it, needs no request of its own.

use pinion_abi::Errno;

use crate::arch;
use crate::mm::user;

/// struct stat, and where the size stands in it.
pub const STATE_BYTES: usize = 144;
const SIZE: usize = 48;
const MODE: usize = 24;
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;

pub struct File {
    /// -1: none.
    fd: i32,
    state: [u64; STATE_BYTES / 8],
    /// When it was opened, if no request was made since; 0.
    opened: u64,
    /// Whether the monitor opened it for whenever the program does, with no request since.
    again: bool,
    /// Whether the program has it.
    held: bool,
}

/// For how long what was told of it holds (ticks of the time-stamp counter): what other processes do to it is
/// seen soon.
const HOLDS: u64 = 1_000_000;

impl File {
    pub const fn none() -> File {
        File {
            fd: -1,
            state: [0; STATE_BYTES / 8],
            opened: 0,
            again: false,
            held: false,
        }
    }

    /// Whether it is regular: of others the monitor tells zeros.
    pub fn opened(&mut self, fd: i32, state: [u64; STATE_BYTES / 8]) -> bool {
        *self = File::none();
        let is_regular = state[MODE / 8] as u32 & S_IFMT == S_IFREG;
        if is_regular {
            (self.fd, self.state, self.opened) = (fd, state, arch::ticks());
            self.held = true;
        }
        is_regular
    }

    /// The monitor opened it for whenever the program does.
    pub fn opened_again(&mut self, fd: i32, state: [u64; STATE_BYTES / 8]) {
        let is_regular = self.opened(fd, state);
        (self.fd, self.again, self.held) = (fd, true, false);
        if !is_regular {
            self.age();
        }
    }

    /// The program opens it. `None`: not this one, or not any more.
    pub fn take(&mut self) -> Option<i32> {
        if !self.again || self.held || !self.is_fresh() {
            return None;
        }
        self.held = true;
        Some(self.fd)
    }

    /// The program closes it. Whether it may be taken once more.
    pub fn put_back(&mut self) -> bool {
        self.held &= !self.again;
        self.again
    }

    /// The monitor shall know what the program has, from now on: what it has not is to be closed.
    pub fn settle(&mut self) -> Option<i32> {
        let left = (self.again && !self.held).then_some(self.fd);
        self.again = false;
        if left.is_some() {
            *self = File::none();
        }
        left
    }

    /// A request is made.
    pub fn age(&mut self) {
        self.opened = 0;
    }

    fn is_fresh(&self) -> bool {
        arch::ticks().wrapping_sub(self.opened) < HOLDS
    }

    /// fstat(2).
    pub fn tell(&self, fd: i32, to: u64) -> Option<Result<u64, Errno>> {
        if !self.is(fd) || !self.is_fresh() {
            return None;
        }
        Some(user::write(to, &self.state).map(|()| 0))
    }

    /// Whether the file has these bytes, as far as is known.
    pub fn has(&self, fd: i32, offset: u64, bytes: u64) -> bool {
        let end = offset.checked_add(bytes);
        self.is(fd) && self.is_fresh() && end.is_some_and(|end| end <= self.state[SIZE / 8])
    }

    /// Whether it is the program's descriptor.
    pub fn is(&self, fd: i32) -> bool {
        fd == self.fd && fd >= 0 && self.held
    }
}
