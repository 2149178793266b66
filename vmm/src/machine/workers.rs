//! Workers: threads that make the calls which may block, while the guest runs its other threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::server::Server;
use super::signals;

/// The most workers of a guest: as many as requests can be under way.
const MOST: usize = pinion_abi::channel::SLOTS;

#[derive(Default)]
struct Queue {
    /// Slots to serve.
    slots: VecDeque<usize>,
    workers: usize,
    idle: usize,
}

#[derive(Default)]
pub struct Workers {
    queue: Mutex<Queue>,
    work: Condvar,
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a worker serve the slot. `false`: no thread could be had for it.
pub fn serve(server: &Arc<Server>, slot: usize) -> bool {
    let workers = &server.workers;
    let mut queue = workers.lock();
    if queue.slots.len() >= MOST {
        // More than there are slots: a guest that names one twice.
        return false;
    }
    queue.slots.push_back(slot);
    if queue.idle >= queue.slots.len() || queue.workers == MOST {
        workers.work.notify_one();
        return true;
    }
    let server = Arc::clone(server);
    let started = thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(move || run(&server));
    match started {
        Ok(_) => queue.workers += 1,
        Err(_) if queue.workers == 0 => {
            queue.slots.pop_back();
            return false;
        }
        // The others get to it.
        Err(_) => {}
    }
    true
}

fn run(server: &Server) {
    signals::block_for_helper(0);
    loop {
        let slot = {
            let mut queue = server.workers.lock();
            loop {
                if let Some(slot) = queue.slots.pop_front() {
                    break slot;
                }
                queue.idle += 1;
                queue = server
                    .workers
                    .work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        };
        server.serve_apart(slot);
    }
}
