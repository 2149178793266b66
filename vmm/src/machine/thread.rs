//! Threads of the monitor beside the vCPU's.

use std::io;
use std::thread::{Builder, JoinHandle};

use super::signals;

/// Starts a thread that blocks all signals from its first instruction on: one that blocked them
/// itself could take a signal before, for which the guest's own mask would not count.
pub fn spawn(stack: usize, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let mask = signals::block_all();
    let started = Builder::new().stack_size(stack).spawn(body);
    mask.restore();
    started
}
