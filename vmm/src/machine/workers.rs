//! Workers: threads that make the calls which may block, while the guest runs its other threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use super::kick::Target;
use super::server::Server;
use super::{signals, thread};

/// The most workers of a guest: as many as requests can be under way.
const MOST: usize = pinion_abi::channel::SLOTS;

/// How often a worker is kicked out of a call, and how long that may take at first; twice as long after
/// every so many times.
const TRIES: u32 = 50;
const PATIENCE: u32 = 10;
const PAUSE: Duration = Duration::from_micros(100);

#[derive(Default)]
struct Queue {
    /// Slots to serve.
    slots: VecDeque<usize>,
    workers: usize,
    idle: usize,
    /// Slots that are being served, and by whom.
    serving: Vec<(usize, Target)>,
}

#[derive(Default)]
pub struct Workers {
    queue: Mutex<Queue>,
    work: Condvar,
}

impl Workers {
    /// Keeps the queue as it is, for the time of a fork(2).
    pub(super) fn hold(&self) -> Held<'_> {
        Held(self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue, held.
pub(super) struct Held<'a>(MutexGuard<'a, Queue>);

impl Held<'_> {
    /// In a new process there are no workers.
    pub fn reset(&mut self) {
        *self.0 = Queue::default();
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
    match thread::spawn(128 << 10, move || run(&server)) {
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

/// Ends the call that a worker makes for the slot, or is going to make, with EINTR. It may be that it
/// does not end in the time that this takes: the guest then asks again.
pub fn cancel(server: &Server, slot: usize) {
    for turn in 0..TRIES {
        {
            let queue = server.workers.lock();
            let mut serving = queue.serving.iter();
            match serving.find(|(serving, _)| *serving == slot) {
                // With the lock held, so that the worker is not in another call by now.
                Some((_, worker)) => worker.kick(),
                None if queue.slots.contains(&slot) => {}
                None => return,
            }
        }
        // A kick just before the call blocks is lost, so there is more than one.
        sleep(PAUSE * (1 << (turn / PATIENCE)));
    }
}

fn run(server: &Server) {
    signals::block_for_helper();
    let itself = Target::this_thread();
    loop {
        let slot = {
            let mut queue = server.workers.lock();
            loop {
                if let Some(slot) = queue.slots.pop_front() {
                    queue.serving.push((slot, itself));
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
        let done = |(serving, target): &(usize, Target)| *serving == slot && *target == itself;
        server.workers.lock().serving.retain(|entry| !done(entry));
    }
}
