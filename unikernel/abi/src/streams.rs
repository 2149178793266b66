//! Stream sockets that only one guest has. With the answer of epoll_wait(2) the monitor tells what stands in those
//! that are ready and how much room they have; reads and writes that this answers are made behind
//! the program, in one batch with its next request.

use crate::calls::Arg;

/// The most events of one request that leaves room for what stands in their sockets.
pub const EVENTS: u64 = 32;
/// The most bytes that may be sent behind the program through one socket, between two waits.
pub const ROOM: u32 = 8 << 10;

/// For how long after an answer the monitor looks after the batch at least, nanoseconds.
pub const WATCHED_NS: u64 = 3_000_000;

/// So many calls behind the program are a round: the guest leaves for the next request, as the helper would
/// be no quicker than the vCPU's own thread.
pub const ROUND: u64 = 8;

/// What stands in one socket. At [`Arg::Ahead`]'s offset the monitor writes how many there are and the bytes
/// of all with these eight, four bytes each, then each with its bytes behind it, from one multiple of eight to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Ahead {
    pub fd: i32,
    pub bytes: u32,
    /// How many bytes can be sent without a wait.
    pub room: u32,
    pub _pad: u32,
}

/// The openat(2) that a server makes for each request: the monitor makes it once it has told what stands in sockets, and
/// the kernel answers the program's by it. Behind it stand a struct stat, as for [`Arg::State`], and the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Again {
    /// As those of a request.
    pub args: [u64; 6],
    /// The monitor's answer.
    pub result: i64,
}

/// The call that is made.
pub const AGAIN: u32 = 257;
/// The most bytes of such a path, the zero at its end included.
pub const AGAIN_PATH: usize = 256;

/// One call of a batch, with the bytes behind it that it sends, from one multiple of eight to the next. The
/// batch's slot has the number of calls as its first argument; the result is how many failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Posted {
    /// One of which [`does`] tells.
    pub number: u32,
    /// How many bytes are sent, or received and thrown away: the program has them.
    pub bytes: u32,
    /// The program's arguments.
    pub args: [u64; 6],
    /// The monitor's answer: an error number, or 0.
    pub error: i32,
    pub _pad: u32,
}

/// What a posted call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// It throws received bytes away.
    Receive,
    /// It sends the bytes behind it.
    Send,
    /// It sends a file's bytes; where they begin stands in the place of the program's pointer.
    SendFile,
    /// It closes a file that was read.
    Close,
}

/// The calls that can be posted.
pub const fn does(number: u32) -> Option<Does> {
    match number {
        0 | 45 => Some(Does::Receive),
        1 | 20 | 44 | 46 => Some(Does::Send),
        40 => Some(Does::SendFile),
        3 => Some(Does::Close),
        _ => None,
    }
}

/// Whether a call tells what stands in sockets.
pub fn looks_ahead(kinds: &[Arg]) -> bool {
    kinds.contains(&Arg::Ahead)
}
