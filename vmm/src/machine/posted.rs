//! The batch of calls that the program has been answered already ([`pinion_abi::streams`]): made before whatever
//! the guest asks for next, and within [`SOON`] if it asks for nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinion_abi::calls::{self, Arg};
use pinion_abi::channel::{state, Request};

use super::helper;
use super::server::{is_child, Server};

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
    /// what is posted, it may not.
    pub(super) fn may_look_ahead(&self, request: &mut Request) -> bool {
        let kinds = calls::find(request.number.into()).and_then(|row| row.host());
        let at = kinds.and_then(|(_, kinds)| kinds.iter().position(|kind| *kind == Arg::Ahead));
        let Some(argument) = at.and_then(|at| request.args.get_mut(at)) else {
            return false;
        };
        if is_child() || !helper::is_there(self) {
            *argument = 0;
        }
        *argument != 0
    }

    /// The guest may post calls from now on: the helper looks after them for a while.
    pub(super) fn watch(&self) {
        if !self.posted.watched.swap(true, Ordering::SeqCst) {
            helper::watch(self);
        }
    }
}
