//! How a file was opened that a server opens anew for each request: the monitor does that once for a round
//! ([`pinion_abi::streams::Again`]), and all descriptors of it that the program gets in the round are that one.

use core::mem::size_of;

use pinion_abi::layout::USER_END;
use pinion_abi::streams::{Again, AGAIN_PATH};

use super::file::STATE_BYTES;
use super::{AT_FDCWD, STREAMS};
use crate::mm::user;

const O_NOCTTY: u32 = 0o400;
const O_NONBLOCK: u32 = 0o4000;
const O_LARGEFILE: u32 = 0o100_000;
const O_NOFOLLOW: u32 = 0o400_000;
const O_CLOEXEC: u32 = 0o2_000_000;
/// A file that is opened with no others can be opened more often than the program asks for.
const PLAIN: u32 = O_NOCTTY | O_NONBLOCK | O_LARGEFILE | O_NOFOLLOW | O_CLOEXEC;

/// How it was opened.
pub struct Opening {
    path: [u8; AGAIN_PATH],
    /// With the zero at its end; 0: none.
    bytes: usize,
    flags: u32,
    /// Whether the program opened it since it was last asked for.
    wanted: bool,
}

impl Opening {
    pub const fn none() -> Opening {
        Opening {
            path: [0; AGAIN_PATH],
            bytes: 0,
            flags: 0,
            wanted: false,
        }
    }

    /// The program opened a regular file for reading by this path.
    pub fn note(&mut self, path: &[u8], flags: u32) {
        let end = path.iter().take(AGAIN_PATH).position(|byte| *byte == 0);
        self.bytes = match end {
            Some(end) if flags & !PLAIN == 0 => end + 1,
            _ => 0,
        };
        self.path[..self.bytes].copy_from_slice(&path[..self.bytes]);
        (self.flags, self.wanted) = (flags, self.bytes > 0);
    }

    /// Its path and flags, if the program opened it since this was last asked.
    pub fn wanted(&mut self) -> Option<(&[u8], u32)> {
        let wanted = core::mem::take(&mut self.wanted);
        wanted.then_some((&self.path[..self.bytes], self.flags))
    }

    /// Whether the program names it so.
    pub fn is(&mut self, path: u64, flags: u32) -> bool {
        let mut text = [0; AGAIN_PATH];
        let bytes = self.bytes as u64;
        if flags != self.flags || bytes == 0 || path >= USER_END {
            return false;
        }
        // SAFETY: the text has room for as many bytes.
        let copied = unsafe { user::copy_in_raw(text.as_mut_ptr() as u64, path, bytes) };
        let same = copied.is_ok() && text[..self.bytes] == self.path[..self.bytes];
        self.wanted |= same;
        same
    }
}

/// Bytes of what the monitor shall open again.
pub const AGAIN_BYTES: u64 = (size_of::<Again>() + STATE_BYTES + AGAIN_PATH) as u64;

/// Asks for the file to be opened again that the program opens time and again. Whether there is one.
///
/// # Safety
/// The slot at that address is the caller's, from `offset` on for [`AGAIN_BYTES`].
pub unsafe fn ask_again(slot: u64, offset: u64) -> bool {
    let mut streams = STREAMS.lock();
    let Some((path, flags)) = streams.opening.wanted() else {
        return false;
    };
    let state = offset + size_of::<Again>() as u64;
    let name = state + STATE_BYTES as u64;
    let again = Again {
        args: [AT_FDCWD as u64, name, flags.into(), 0, state, 0],
        result: -1,
    };
    // SAFETY: the caller's slot has room for both.
    unsafe {
        ((slot + offset) as *mut Again).write(again);
        core::ptr::copy_nonoverlapping(path.as_ptr(), (slot + name) as *mut u8, path.len());
    }
    true
}

/// Takes the monitor's answer to that.
///
/// # Safety
/// As for [`ask_again`], which wrote there.
pub unsafe fn answered_again(slot: u64, offset: u64) {
    let at = slot + offset;
    // SAFETY: the caller's slot.
    let (again, state) = unsafe {
        let state = at + size_of::<Again>() as u64;
        (
            (at as *const Again).read(),
            (state as *const [u64; STATE_BYTES / 8]).read(),
        )
    };
    if let Ok(fd) = i32::try_from(again.result) {
        if fd >= 0 {
            STREAMS.lock().file.opened_again(fd, state);
        }
    }
}
