//! Which thread runs next, and what the vCPU does when none can.

use core::hint::spin_loop;
use core::sync::atomic::Ordering;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use pinion_abi::calls::machine;
use spin::Mutex;

use super::{current, Thread};
use crate::arch::per_cpu::variables;
use crate::arch::switch::switch_context;
use crate::arch::{self, Frame};
use crate::channel;
use crate::signals;
use crate::syscalls::threads::shared;
use crate::syscalls::time;

/// Looks for an answer before an idle vCPU leaves the guest (some 20 ns each).
const IDLE_TURNS: u32 = 500;

struct Scheduler {
    /// All threads, by id.
    threads: BTreeMap<u32, Arc<Thread>>,
    /// Those that can run but do not, in the order of their turns.
    ready: VecDeque<Arc<Thread>>,
    /// Those that wait with a deadline (nanoseconds of the monotonic clock, thread id).
    deadlines: BTreeMap<(u64, u32), Arc<Thread>>,
    /// Those that have ended: the last one may still stand on its stack.
    ended: Vec<Arc<Thread>>,
}

impl Scheduler {
    /// When the first deadline is; 0: there is none.
    fn deadline(&self) -> u64 {
        self.deadlines
            .first_key_value()
            .map_or(0, |((deadline, _), _)| *deadline)
    }

    /// Tells the monitor who waits, so that it kicks the vCPU when one shall run.
    fn tell(&self) {
        channel::set_waiting(self.ready.len(), self.deadline());
    }
}

static SCHEDULER: Mutex<Scheduler> = Mutex::new(Scheduler {
    threads: BTreeMap::new(),
    ready: VecDeque::new(),
    deadlines: BTreeMap::new(),
    ended: Vec::new(),
});

/// Makes the caller's flow of control the first thread.
pub fn start(first: Arc<Thread>) {
    // SAFETY: this vCPU's own variables; the scheduler keeps the thread alive.
    unsafe {
        (*variables()).thread = Arc::as_ptr(&first);
        (*variables()).kernel_rsp = first.stack_top();
    }
    SCHEDULER.lock().threads.insert(first.id(), first);
}

/// How many threads there are.
pub fn count() -> usize {
    SCHEDULER.lock().threads.len()
}

pub fn find(id: u32) -> Option<Arc<Thread>> {
    SCHEDULER.lock().threads.get(&id).cloned()
}

/// The registers with which each other thread goes back to the program.
pub fn each_frame(mut each: impl FnMut(&mut Frame)) {
    let scheduler = SCHEDULER.lock();
    let others = scheduler
        .threads
        .values()
        .filter(|thread| thread.id() != current().id());
    for thread in others {
        let at = thread.stack_top() - size_of::<Frame>() as u64;
        // SAFETY: every entry of the program into the kernel leaves its frame at the stack's end,
        // and the thread is not running.
        each(unsafe { &mut *(at as *mut Frame) });
    }
}

/// Adds a new thread and makes it ready.
pub fn add(thread: Arc<Thread>) {
    let alone = {
        let mut scheduler = SCHEDULER.lock();
        let alone = scheduler.threads.len() == 1;
        scheduler.threads.insert(thread.id(), Arc::clone(&thread));
        alone
    };
    if alone {
        channel::machine_call(machine::PREEMPT, [1, 0, 0, 0, 0]);
    }
    make_ready(thread);
}

fn make_ready(thread: Arc<Thread>) {
    let mut scheduler = SCHEDULER.lock();
    scheduler.ready.push_back(thread);
    scheduler.tell();
}

/// The thread waits from now on. The caller then tells who shall wake it, and calls [`block`]; a
/// [`wake`] between the two is not lost.
pub fn prepare() {
    current().timed_out.store(false, Ordering::Relaxed);
    current().blocked.store(true, Ordering::Relaxed);
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// [`wake`].
    Awake,
    /// The deadline.
    TimedOut,
    /// A signal that the thread does not block.
    Interrupted,
}

/// Waits for [`wake`], for the deadline (nanoseconds of the monotonic clock), or for a signal.
pub fn block(deadline: Option<u64>) -> Woken {
    let thread = current();
    thread.interrupted.store(false, Ordering::Relaxed);
    if let Some(deadline) = deadline {
        let mut scheduler = SCHEDULER.lock();
        if let Some(itself) = scheduler.threads.get(&thread.id()).cloned() {
            thread.deadline.store(deadline, Ordering::Relaxed);
            scheduler.deadlines.insert((deadline, thread.id()), itself);
        }
    }
    interrupt();
    while thread.blocked.load(Ordering::Relaxed) {
        switch_away();
    }
    if thread.interrupted.load(Ordering::Relaxed) {
        Woken::Interrupted
    } else if thread.timed_out.load(Ordering::Relaxed) {
        Woken::TimedOut
    } else {
        Woken::Awake
    }
}

/// Wakes a waiting thread for a signal that waits for it, if there is one.
pub fn interrupt() {
    let waiting = {
        let scheduler = SCHEDULER.lock();
        let mut waiting = scheduler
            .threads
            .values()
            .filter(|thread| thread.blocked.load(Ordering::Relaxed) && signals::interrupts(thread));
        waiting.next().cloned()
    };
    if let Some(thread) = waiting {
        thread.interrupted.store(true, Ordering::Relaxed);
        wake(&thread);
    }
}

/// Goes over all threads.
pub fn fold<T>(start: T, step: impl Fn(T, &Thread) -> T) -> T {
    let scheduler = SCHEDULER.lock();
    scheduler
        .threads
        .values()
        .fold(start, |value, thread| step(value, thread))
}

/// Takes [`prepare`] back.
pub fn cancel() {
    current().blocked.store(false, Ordering::Relaxed);
}

/// Waits until some request has been answered apart.
pub fn wait_for_answer() {
    if !channel::collect() {
        give_way();
        channel::idle(time::monotonic() + 1_000_000);
    }
}

/// Ends a thread's wait. `false`: it did not wait any more.
pub fn wake(thread: &Arc<Thread>) -> bool {
    if !thread.blocked.swap(false, Ordering::Relaxed) {
        return false;
    }
    let deadline = thread.deadline.swap(0, Ordering::Relaxed);
    if deadline != 0 {
        SCHEDULER.lock().deadlines.remove(&(deadline, thread.id()));
    }
    if core::ptr::eq(Arc::as_ptr(thread), current()) {
        // It has not left the vCPU, or came back to it to idle.
        return true;
    }
    make_ready(Arc::clone(thread));
    true
}

/// Lets the others run, if any can.
pub fn give_way() {
    if shared::active() {
        // The others wait until the child is gone.
        return shared::finish();
    }
    channel::collect();
    wake_expired();
    let next = {
        let mut scheduler = SCHEDULER.lock();
        let Some(next) = scheduler.ready.pop_front() else {
            return;
        };
        if let Some(itself) = scheduler.threads.get(&current().id()).cloned() {
            scheduler.ready.push_back(itself);
        }
        scheduler.tell();
        next
    };
    switch_to(next);
}

/// The running thread is the only one of a process that fork(2) has made, and `id` is its name.
pub fn keep_current(id: u32) {
    let others = {
        let mut scheduler = SCHEDULER.lock();
        scheduler.ready.clear();
        scheduler.deadlines.clear();
        let mut threads = core::mem::take(&mut scheduler.threads);
        if let Some(itself) = threads.remove(&current().id()) {
            itself.id.store(id, Ordering::Relaxed);
            scheduler.threads.insert(id, itself);
        }
        scheduler.tell();
        threads
    };
    drop(others);
}

/// Runs a child of vfork(2), whose thread's id is `id`, in the place of the running thread until
/// [`end_child`].
pub fn run_child(child: Arc<Thread>, id: u32) {
    child.id.store(id, Ordering::Relaxed);
    SCHEDULER.lock().threads.insert(id, Arc::clone(&child));
    switch_to(child);
}

/// Ends the running thread, which is such a child.
pub fn end_child(parent: Arc<Thread>) -> ! {
    let id = current().id();
    {
        let mut scheduler = SCHEDULER.lock();
        if let Some(thread) = scheduler.threads.remove(&id) {
            // It may be gone in the middle of a wait.
            thread.blocked.store(false, Ordering::Relaxed);
            let deadline = thread.deadline.load(Ordering::Relaxed);
            scheduler.deadlines.remove(&(deadline, id));
            scheduler.ended.push(thread);
        }
    }
    switch_to(parent);
    unreachable!("a thread that has ended runs");
}

/// Ends the running thread; the last one must end the process instead.
pub fn end() -> ! {
    let id = current().id();
    let left = {
        let mut scheduler = SCHEDULER.lock();
        if let Some(thread) = scheduler.threads.remove(&id) {
            scheduler.ended.push(thread);
        }
        scheduler.threads.len()
    };
    if left == 1 {
        channel::machine_call(machine::PREEMPT, [0, 0, 0, 0, 0]);
    }
    current().blocked.store(true, Ordering::Relaxed);
    loop {
        switch_away();
    }
}

/// The running thread waits: runs the next ready one, and comes back when it is this one's turn
/// again; or waits with the vCPU until one is ready.
fn switch_away() {
    loop {
        shared::finish();
        channel::collect();
        wake_expired();
        if !current().blocked.load(Ordering::Relaxed) {
            // Woken meanwhile: it never left the vCPU, so it stands in no list.
            return;
        }
        let next = {
            let mut scheduler = SCHEDULER.lock();
            let next = match shared::active() {
                true => None,
                false => scheduler.ready.pop_front(),
            };
            scheduler.tell();
            next
        };
        match next {
            Some(next) => return switch_to(next),
            None => {
                idle();
                interrupt();
            }
        }
    }
}

fn switch_to(next: Arc<Thread>) {
    let previous = current();
    let next_pointer = Arc::as_ptr(&next);
    // The scheduler's own list keeps it alive.
    drop(next);
    if core::ptr::eq(previous, next_pointer) {
        return;
    }
    previous.fs_base.store(arch::fs_base(), Ordering::Relaxed);
    previous.gs_base.store(arch::gs_base(), Ordering::Relaxed);
    // SAFETY: `next` is in the list of threads, so it lives; nobody runs it, as it was ready. The
    // variables are this vCPU's own.
    unsafe {
        let next = &*next_pointer;
        (*variables()).thread = next_pointer;
        (*variables()).kernel_rsp = next.stack_top();
        arch::set_fs_base(next.fs_base.load(Ordering::Relaxed));
        arch::set_gs_base(next.gs_base.load(Ordering::Relaxed));
        switch_context(previous.context.get(), next.context.get());
    }
    free_ended();
}

/// Frees threads that have ended, from another one's stack.
fn free_ended() {
    let ended = {
        let mut scheduler = SCHEDULER.lock();
        if scheduler.ended.is_empty() {
            return;
        }
        core::mem::take(&mut scheduler.ended)
    };
    drop(ended);
}

/// Wakes those whose deadline has come.
fn wake_expired() {
    if SCHEDULER.lock().deadlines.is_empty() {
        return;
    }
    let now = time::monotonic();
    loop {
        let thread = {
            let scheduler = SCHEDULER.lock();
            match scheduler.deadlines.first_key_value() {
                Some(((deadline, _), thread)) if *deadline <= now => Arc::clone(thread),
                _ => return,
            }
        };
        thread.timed_out.store(true, Ordering::Relaxed);
        wake(&thread);
    }
}

/// Nothing can run: looks for answers for a moment, then leaves the guest until something happens.
fn idle() {
    for _ in 0..IDLE_TURNS {
        if channel::collect() {
            return;
        }
        spin_loop();
    }
    let deadline = SCHEDULER.lock().deadline();
    channel::idle(deadline);
    channel::collect();
}
