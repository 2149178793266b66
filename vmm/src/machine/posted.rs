//! The batch of calls that the program has been answered already ([`pinion_abi::streams`]): made before whatever
//! the guest asks for next, and within [`SOON`] if it asks for nothing.

use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinion_abi::calls::{self, Arg};
use pinion_abi::channel::{state, Request, DATA};
use pinion_abi::streams::{Again, AGAIN};
use pinion_abi::Errno;

use super::helper;
use super::server::{is_child, Server};
use crate::calls::{Answer, SlotData};

/// How long a batch waits for a program that computes.
pub(super) const SOON: Duration = Duration::from_millis(1);
/// The most calls of a batch: more do not fit a slot.
const MOST: u64 = 1024;

#[derive(Default)]
pub(super) struct Posted {
    /// Held while a batch is made.
    making: Mutex<()>,
    /// Whether one is being made: who finds the header without one waits for it.
    busy: AtomicBool,
    /// Whether the guest may have posted calls of which the helper shall see to it that they are made.
    pub(super) watched: AtomicBool,
}

impl Posted {
    /// Keeps all other threads out for a moment.
    pub(super) fn hold(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Makes the batch, if there is one, and waits if another thread does. Returns how many calls that were.
    pub(super) fn make_posted(&self) -> u64 {
        let posted = &self.header().posted;
        if posted.load(Ordering::SeqCst) == 0 && !self.posted.busy.load(Ordering::SeqCst) {
            return 0;
        }
        let _held = self.posted.hold();
        self.posted.busy.store(true, Ordering::SeqCst);
        let named = posted.swap(0, Ordering::SeqCst);
        let mut count = 0;
        if named != 0 {
            let (slot, data) = self.slot((named - 1) as usize);
            count = slot.args[0].load(Ordering::Relaxed).min(MOST);
            let failed = self.service().make_posted(&data, count);
            slot.result.store(failed, Ordering::Relaxed);
            slot.state.store(state::DONE, Ordering::Release);
        }
        self.posted.busy.store(false, Ordering::SeqCst);
        count
    }

    /// Whether a batch waits.
    pub(super) fn has_posted(&self) -> bool {
        self.header().posted.load(Ordering::Relaxed) != 0
    }

    /// Whether the request is one that tells what stands in sockets, and may: where nobody would see to
    /// what is posted, it may not. Some, with the place of what it wants opened again, or 0.
    pub(super) fn may_look_ahead(&self, request: &mut Request) -> Option<u64> {
        let (_, kinds) = calls::find(request.number.into())?.host()?;
        let place = |wanted| kinds.iter().position(|kind| *kind == wanted);
        let argument = request.args.get_mut(place(Arg::Ahead)?)?;
        if is_child() || !helper::is_there(self) {
            *argument = 0;
        }
        let may = *argument != 0;
        let again = place(Arg::Again).and_then(|at| request.args.get(at));
        may.then_some(again.copied().unwrap_or(0))
    }

    /// Makes the openat(2) that stands at `offset` of a request for what stands in sockets, without waiting. What is
    /// wrong with it is the guest's loss.
    pub(super) fn open_again(&self, slot: &SlotData, offset: u64) {
        let mut words = [0; size_of::<[u64; 6]>()];
        let place = usize::try_from(offset).ok().filter(|at| *at >= DATA);
        let Some(place) = place.filter(|at| slot.copy_in(*at, &mut words).is_ok()) else {
            return;
        };
        let request = Request {
            number: AGAIN,
            args: std::array::from_fn(|at| {
                u64::from_ne_bytes(std::array::from_fn(|byte| words[8 * at + byte]))
            }),
        };
        let result = match self.service().serve(&self.memory, slot, request, false) {
            Answer::Result(result) => result,
            Answer::WouldBlock => Errno::EAGAIN.as_result(),
        };
        // If there is no place for the answer, the guest has a descriptor more.
        let _ = slot.copy_out(place + offset_of!(Again, result), &result.to_ne_bytes());
    }

    /// The guest may post calls from now on: the helper looks after them for a while.
    pub(super) fn watch(&self) {
        if !self.posted.watched.swap(true, Ordering::SeqCst) {
            helper::watch(self);
        }
    }
}
