//! The batch of calls that the monitor makes behind the program.

use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU64, Ordering};

use pinion_abi::channel::{DATA, SLOT_BYTES};
use pinion_abi::streams::{does, Does, Posted, ROUND};
use pinion_abi::Errno;

use crate::channel::Owned;
use crate::mm::user;

/// How many calls wait in the batch.
static WAITING: AtomicU64 = AtomicU64::new(0);

/// Whether so many calls wait that they are a round.
pub fn is_round() -> bool {
    WAITING.load(Ordering::Relaxed) >= ROUND
}

pub struct Batch {
    slot: Option<Owned>,
    /// Calls in it, and where the next one goes.
    calls: u64,
    end: usize,
}

impl Batch {
    pub const fn new() -> Batch {
        Batch {
            slot: None,
            calls: 0,
            end: DATA,
        }
    }

    /// The slot is none any more.
    pub fn forget(&mut self) {
        core::mem::forget(self.slot.take());
        (self.calls, self.end) = (0, DATA);
        WAITING.store(0, Ordering::Relaxed);
    }

    /// Tells the descriptors and errors of calls that failed, if the monitor has made the batch.
    pub fn settle(&mut self, mut failed: impl FnMut(i32, Errno)) {
        let Some(slot) = self.slot.as_ref().filter(|_| self.calls > 0) else {
            return;
        };
        let Some(failures) = slot.made() else {
            return;
        };
        let mut at = DATA;
        for _ in 0..if failures > 0 { self.calls } else { 0 } {
            // SAFETY: the calls stand in our slot, as they were written below.
            let posted = unsafe { ((slot.address() + at as u64) as *const Posted).read() };
            if posted.error != 0 {
                failed(posted.args[0] as i32, Errno(posted.error));
            }
            at += size_of::<Posted>() + data(&posted);
        }
        (self.calls, self.end) = (0, DATA);
        WAITING.store(0, Ordering::Relaxed);
    }

    /// Adds a call, with what it sends from these pieces of the program's memory: address and bytes each.
    /// `false`: there is no room, the monitor is about the batch, or the memory cannot be read.
    pub fn post(&mut self, number: u32, args: [u64; 6], bytes: u64, pieces: &[[u64; 2]]) -> bool {
        if self.slot.is_none() {
            self.slot = Owned::take_for_batch();
        }
        let Some(slot) = &self.slot else {
            return false;
        };
        if self.calls > 0 && !slot.withdraw() {
            return false;
        }
        let posted = Posted {
            number,
            bytes: bytes as u32,
            args,
            error: 0,
            _pad: 0,
        };
        let start = self.end + size_of::<Posted>();
        let end = start + data(&posted);
        let fits = end <= SLOT_BYTES && copied(slot.address() + start as u64, pieces);
        if fits {
            // SAFETY: the place lies in our slot, which the monitor cannot take now.
            unsafe { ((slot.address() + self.end as u64) as *mut Posted).write(posted) };
            (self.calls, self.end) = (self.calls + 1, end);
            WAITING.store(self.calls, Ordering::Relaxed);
        }
        if self.calls > 0 {
            slot.post(self.calls);
        }
        fits
    }
}

/// Bytes of what a call sends, up to where the next one stands.
fn data(posted: &Posted) -> usize {
    match does(posted.number) {
        Some(Does::Send) => (posted.bytes as usize).next_multiple_of(8),
        _ => 0,
    }
}

fn copied(mut to: u64, pieces: &[[u64; 2]]) -> bool {
    pieces.iter().all(|[from, bytes]| {
        // SAFETY: the caller's slot has room for all pieces there.
        let copied = unsafe { user::copy_in_raw(to, *from, *bytes) };
        to += bytes;
        copied.is_ok()
    })
}

const _: () = assert!(offset_of!(Posted, number) == 0 && size_of::<Posted>() % 8 == 0);
