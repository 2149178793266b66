//! Which thread runs next, and what a vCPU does when none can.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;

use super::queue::Queue;
use super::thread::NOWHERE;
use super::{allowance, current, Thread};
use crate::arch::per_cpu::{variables, Variables};
use crate::arch::switch::switch_context;
use crate::arch::{self, Frame};
use crate::channel;
use crate::signals;
use crate::syscalls::threads::shared;
use crate::syscalls::time;
use crate::vcpus;

/// Looks for an answer before an idle vCPU leaves the guest (some 20 ns each).
const IDLE_TURNS: u32 = 500;
/// For how long a thread waits for its turn before another vCPU is woken or started for it (ticks of
/// the time-stamp counter): to wake one is dear, and most of those who wake others soon wait themselves.
const WORTH_A_VCPU: u64 = 100_000;

struct Scheduler {
    /// All threads, by id.
    threads: BTreeMap<u32, Arc<Thread>>,
    /// Those that can run but do not.
    queue: Queue<Arc<Thread>>,
    /// Those that wait with a deadline (nanoseconds of the monotonic clock, thread id).
    deadlines: BTreeMap<(u64, u32), Arc<Thread>>,
    /// Those that have ended: the last one may still stand on its stack.
    ended: Vec<Arc<Thread>>,
    /// What each vCPU runs when there is nothing else, once there are several.
    idle: Vec<Arc<Thread>>,
}

impl Scheduler {
    /// When the first deadline is; 0: there is none.
    fn deadline(&self) -> u64 {
        self.deadlines
            .first_key_value()
            .map_or(0, |((deadline, _), _)| *deadline)
    }

    /// Tells the monitor who waits, so that it kicks a vCPU when one shall run.
    fn tell(&self) {
        let ready = self.queue.len();
        if READY.swap(ready, Ordering::Relaxed) == 0 && ready > 0 {
            WAITING_SINCE.store(arch::ticks(), Ordering::Relaxed);
        }
        channel::set_waiting(ready, self.deadline());
    }
}

static SCHEDULER: Mutex<Scheduler> = Mutex::new(Scheduler {
    threads: BTreeMap::new(),
    queue: Queue::new(),
    deadlines: BTreeMap::new(),
    ended: Vec::new(),
    idle: Vec::new(),
});

/// How many can run but do not: for those who wait without the kernel's lock.
static READY: AtomicUsize = AtomicUsize::new(0);
/// When the first of them began to wait, or when something was last done for it.
static WAITING_SINCE: AtomicU64 = AtomicU64::new(0);

/// Makes the caller's flow of control the first thread.
pub fn start(first: Arc<Thread>) {
    // SAFETY: this vCPU's own variables; the scheduler keeps the thread alive.
    unsafe {
        (*variables()).thread = Arc::as_ptr(&first);
        (*variables()).kernel_rsp = first.stack_top();
    }
    first.vcpu.store(0, Ordering::Relaxed);
    first.tell(first.id());
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
        // and the thread is not in the program.
        each(unsafe { &mut *(at as *mut Frame) });
    }
}

/// Adds a new thread and makes it ready.
pub fn add(thread: Arc<Thread>) {
    let alone = {
        let mut scheduler = SCHEDULER.lock();
        let alone = scheduler.threads.len() == 1;
        thread.tell(thread.id());
        scheduler.threads.insert(thread.id(), Arc::clone(&thread));
        alone
    };
    if alone {
        channel::set_several(true);
    }
    make_ready(thread);
}

fn make_ready(thread: Arc<Thread>) {
    let mut scheduler = SCHEDULER.lock();
    scheduler.queue.push(thread);
    scheduler.tell();
}

/// Called on the way back to the program: has another vCPU run a thread that waits for its turn.
#[inline]
pub fn share() {
    if READY.load(Ordering::Relaxed) != 0 {
        share_now();
    }
}

#[cold]
fn share_now() {
    let now = arch::ticks();
    let waited = now.wrapping_sub(WAITING_SINCE.load(Ordering::Relaxed));
    if waited < WORTH_A_VCPU {
        return;
    }
    WAITING_SINCE.store(now, Ordering::Relaxed);
    if vcpus::has_all() {
        return;
    }
    let sleeper = SCHEDULER.lock().queue.take_sleeper();
    match sleeper {
        Some(vcpu) => channel::wake(1 << vcpu),
        None if vcpus::can_start() => vcpus::start_another(),
        None => {}
    }
}

/// Makes what a vCPU other than the first runs when there is nothing else; for the first, too, if it has
/// none. `false`: there is no memory.
pub fn make_idle(vcpu: usize) -> bool {
    let mut scheduler = SCHEDULER.lock();
    while scheduler.idle.len() <= vcpu {
        let Some(thread) = Thread::idle(idle_loop) else {
            return false;
        };
        scheduler.idle.push(thread);
    }
    true
}

/// A vCPU that does not run yet begins with its idle thread.
///
/// # Safety
/// The variables are that vCPU's.
pub unsafe fn idle_on(vcpu: usize, variables: *mut Variables) {
    let scheduler = SCHEDULER.lock();
    let idle = &scheduler.idle[vcpu];
    idle.vcpu.store(vcpu, Ordering::Relaxed);
    // SAFETY: as said; the scheduler keeps the thread alive.
    unsafe {
        (*variables).thread = Arc::as_ptr(idle);
        (*variables).kernel_rsp = idle.stack_top();
    }
}

/// What an idle thread does, for ever.
pub extern "C" fn idle_loop() -> ! {
    loop {
        look();
        match next_ready() {
            Some(next) => switch_to(next),
            None => {
                idle();
                signals::collect();
                signals::spread();
            }
        }
    }
}

/// Wakes those for whom something has come.
fn look() {
    channel::collect();
    wake_expired();
}

/// Takes what this vCPU runs next.
fn next_ready() -> Option<Arc<Thread>> {
    let mut scheduler = SCHEDULER.lock();
    let next = match shared::active() {
        true => None,
        false => scheduler.queue.pop(vcpus::index()),
    };
    scheduler.tell();
    next
}

/// The running thread goes on on the first vCPU, whose host thread is the process's own: what the host
/// keeps for each thread is asked and set there.
pub fn move_to_first() {
    while vcpus::index() != 0 {
        {
            let mut scheduler = SCHEDULER.lock();
            let Some(itself) = scheduler.threads.get(&current().id()).cloned() else {
                return;
            };
            scheduler.queue.push_for_first(itself);
            scheduler.queue.rise(0);
            scheduler.tell();
        }
        channel::wake(1);
        let next = next_ready().or_else(own_idle);
        if let Some(next) = next {
            switch_to(next);
        }
    }
}

/// This vCPU's idle thread; `None`: it is the only vCPU, and idles on the stack of the thread that waits.
fn own_idle() -> Option<Arc<Thread>> {
    if vcpus::alone() {
        return None;
    }
    SCHEDULER.lock().idle.get(vcpus::index()).cloned()
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
    if signals::interrupts(thread) {
        thread.interrupted.store(true, Ordering::Relaxed);
        wake_current();
    }
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

/// Tells threads of signals that wait for them: each of those that were sent to it alone, and of those of
/// the process one that takes them.
pub fn interrupt() {
    signals::collect();
    let told: Vec<Arc<Thread>> = {
        let scheduler = SCHEDULER.lock();
        let threads = || scheduler.threads.values();
        let waits = |thread: &&Arc<Thread>| thread.blocked.load(Ordering::Relaxed);
        let takers = || threads().filter(|thread| signals::may_take(thread));
        let runs = |thread: &&Arc<Thread>| thread.vcpu.load(Ordering::Relaxed) != NOWHERE;
        // The running one takes them on its way to the program.
        let is_here = !current().blocked.load(Ordering::Relaxed) && signals::may_take(current());
        let taker = || takers().find(waits).or_else(|| takers().find(runs));
        let taker = (!is_here).then(taker).flatten();
        let alone = threads().filter(|thread| signals::is_for(thread));
        alone.chain(taker).cloned().collect()
    };
    for thread in told {
        let vcpu = thread.vcpu.load(Ordering::Relaxed);
        if thread.blocked.load(Ordering::Relaxed) {
            thread.interrupted.store(true, Ordering::Relaxed);
            wake(&thread);
        } else if vcpu != NOWHERE && vcpu != vcpus::index() {
            channel::wake(1 << vcpu);
        }
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

/// The bits that a value of each thread has; mostly the first few tell that there are none.
pub fn all_hold(value: impl Fn(&Thread) -> u64) -> u64 {
    let scheduler = SCHEDULER.lock();
    let mut threads = scheduler.threads.values();
    let mut all = u64::MAX;
    while let Some(thread) = threads.next().filter(|_| all != 0) {
        all &= value(thread);
    }
    all
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
    if thread.vcpu.load(Ordering::Relaxed) != NOWHERE {
        // It has not left its vCPU, or idles there.
        return true;
    }
    make_ready(Arc::clone(thread));
    true
}

/// The same for the running thread, which has not left.
fn wake_current() {
    let itself = SCHEDULER.lock().threads.get(&current().id()).cloned();
    if let Some(itself) = itself {
        wake(&itself);
    }
}

/// Lets the others run, if any can.
pub fn give_way() {
    if shared::active() {
        // The others wait until the child is gone.
        return shared::finish();
    }
    look();
    let Some(next) = next_ready() else {
        return;
    };
    {
        let mut scheduler = SCHEDULER.lock();
        if let Some(itself) = scheduler.threads.get(&current().id()).cloned() {
            scheduler.queue.push(itself);
        }
        scheduler.tell();
    }
    switch_to(next);
}

/// The running thread is the only one of a process that fork(2) has made, and `id` is its name.
pub fn keep_current(id: u32) {
    vcpus::forget_others();
    let others = {
        let mut scheduler = SCHEDULER.lock();
        scheduler.queue.clear();
        scheduler.idle.clear();
        scheduler.deadlines.clear();
        let mut threads = core::mem::take(&mut scheduler.threads);
        if let Some(itself) = threads.remove(&current().id()) {
            itself.set_id(id);
            scheduler.threads.insert(id, itself);
        }
        scheduler.tell();
        threads
    };
    drop(others);
    channel::set_several(false);
}

/// Runs a child of vfork(2), whose thread's id is `id`, in the place of the running thread until
/// [`end_child`].
pub fn run_child(child: Arc<Thread>, id: u32) {
    child.set_id(id);
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
            thread.tell(0);
            scheduler.ended.push(thread);
        }
        scheduler.threads.len()
    };
    if left == 1 {
        channel::set_several(false);
    }
    allowance::give_back(left as u32);
    signals::leave_to_others();
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
        look();
        if !current().blocked.load(Ordering::Relaxed) {
            // Woken meanwhile: it never left the vCPU, so it stands in no list.
            return;
        }
        match next_ready().or_else(own_idle) {
            Some(next) => return switch_to(next),
            None => {
                idle();
                signals::collect();
                signals::spread();
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
    let vcpu = previous.vcpu.swap(NOWHERE, Ordering::Relaxed);
    previous.fs_base.store(arch::fs_base(), Ordering::Relaxed);
    previous.gs_base.store(arch::gs_base(), Ordering::Relaxed);
    // SAFETY: `next` is in the list of threads, so it lives; nobody runs it, as it was ready. The
    // variables are this vCPU's own.
    unsafe {
        let next = &*next_pointer;
        next.vcpu.store(vcpu, Ordering::Relaxed);
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
    let came = vcpus::unlocked(|| {
        (0..IDLE_TURNS).any(|_| {
            spin_loop();
            channel::has_answers() || READY.load(Ordering::Relaxed) != 0 && !shared::active()
        })
    });
    if came {
        return;
    }
    let vcpu = vcpus::index();
    let deadline = {
        let mut scheduler = SCHEDULER.lock();
        if !scheduler.queue.is_empty() && !shared::active() {
            return;
        }
        let deadline = scheduler.deadline();
        scheduler.queue.sleep(vcpu, deadline)
    };
    channel::idle(deadline);
    SCHEDULER.lock().queue.rise(vcpu);
}
