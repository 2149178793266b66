//! The kernel's side of the channel ([`pinion_abi::channel`]).

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;

use pinion_abi::calls::{machine, Wait};
use pinion_abi::channel::{
    self, state, Header, Slot, APART, CAUSED, DATA, HEADER_BYTES, INFO_WORDS, NOTES, SLOTS,
    SLOT_BYTES,
};
use pinion_abi::layout::{physical, MAX_VCPUS, PHYSICAL};
use pinion_abi::Errno;
use spin::Mutex;

use crate::arch::entry;
use crate::boot;
use crate::signals;
use crate::streams;
use crate::syscalls::threads::shared;
use crate::threads::scheduler::Woken;
use crate::threads::{self, scheduler, Thread};
use crate::vcpus;

const CHANNEL: u64 = PHYSICAL + physical::CHANNEL;
/// Turns of the waiting loop (some 20 ns each) before the vCPU leaves: the helper has no core, when it
/// has not taken the request, or lost it, when it has.
const TAKEN_SOON: u32 = 500;
const DONE_SOON: u32 = 4000;

/// Slots that calls which may wait for long leave free: for what the kernel itself asks meanwhile.
const RESERVED: usize = 16;

/// A bit for each slot in use.
static USED: Mutex<u128> = Mutex::new(0);
/// Calls of the program that the monitor was asked for so far, modulo 2^32.
static CALLS: AtomicU32 = AtomicU32::new(0);
/// Threads whose requests are served apart, with the slots they wait for.
static WAITING: Mutex<Vec<(usize, Arc<Thread>)>> = Mutex::new(Vec::new());
/// The header's `answered` when [`collect`] last looked.
static COLLECTED: AtomicU32 = AtomicU32::new(0);

const _: () = assert!(SLOTS == u128::BITS as usize);

fn header() -> &'static Header {
    // SAFETY: the monitor reserved the channel's pages; all fields are atomics.
    unsafe { &*(CHANNEL as *const Header) }
}

/// What this vCPU and the monitor tell each other.
fn told() -> &'static channel::Vcpu {
    &header().vcpus[vcpus::index() % MAX_VCPUS]
}

/// Whether other vCPUs may be in the kernel while this one waits for the monitor.
#[derive(Clone, Copy)]
enum Meanwhile {
    Locked,
    Unlocked,
}

impl Meanwhile {
    fn is<T>(self, wait: impl FnOnce() -> T) -> T {
        match self {
            Meanwhile::Locked => wait(),
            Meanwhile::Unlocked => vcpus::unlocked(wait),
        }
    }
}

/// A slot that this caller owns until it is dropped.
pub struct Owned {
    index: usize,
}

impl Owned {
    /// Takes a free slot for a request of the kernel's own.
    pub fn take() -> Owned {
        match Owned::try_take(SLOTS) {
            Some(slot) => slot,
            None => panic!("more requests under way than the channel has slots"),
        }
    }

    /// The same for a request that the first vCPU's own thread shall make, as it is about that thread
    /// ([`Owned::call_here`]). The caller is on that vCPU from then on; no thread has a slot while it waits for that.
    pub fn take_here() -> Owned {
        scheduler::move_to_first();
        Owned::take()
    }

    /// Takes a free slot for a call of the program; waits for one if many threads are in calls. What the
    /// program learns by such a call of other processes may have come after their signals.
    pub fn take_for_call() -> Owned {
        CALLS.fetch_add(1, Ordering::Relaxed);
        signals::settle();
        loop {
            match Owned::try_take(SLOTS - RESERVED) {
                Some(owned) => {
                    let blocked = threads::current().blocked_signals.load(Ordering::Relaxed);
                    let slot = owned.slot();
                    slot.blocked.store(blocked & CAUSED, Ordering::Relaxed);
                    return owned;
                }
                None => scheduler::wait_for_answer(),
            }
        }
    }

    /// Takes a free slot for a batch, if there are others left.
    pub fn take_for_batch() -> Option<Owned> {
        Owned::try_take(SLOTS - RESERVED)
    }

    fn try_take(slots: usize) -> Option<Owned> {
        let mut used = USED.lock();
        let index = used.trailing_ones() as usize;
        if index >= slots {
            return None;
        }
        *used |= 1 << index;
        let slot = Owned::slot_at(index);
        slot.blocked.store(0, Ordering::Relaxed);
        slot.caused.store(0, Ordering::Relaxed);
        Some(Owned { index })
    }

    /// Where the slot is; offsets in requests count from here.
    pub fn address(&self) -> u64 {
        CHANNEL + HEADER_BYTES + (self.index * SLOT_BYTES) as u64
    }

    fn slot(&self) -> &'static Slot {
        Owned::slot_at(self.index)
    }

    fn slot_at(index: usize) -> &'static Slot {
        let address = CHANNEL + HEADER_BYTES + (index * SLOT_BYTES) as u64;
        // SAFETY: the slot lies in the channel's pages; all fields are atomics.
        unsafe { &*(address as *const Slot) }
    }

    /// Makes the request and waits for its result.
    pub fn call(&self, number: u32, args: &[u64; 6], wait: Wait) -> i64 {
        self.make(number, args, wait, Meanwhile::Locked)
    }

    /// The same, while other vCPUs may be in the kernel. The caller holds no lock but the kernel's.
    pub fn call_unlocked(&self, number: u32, args: &[u64; 6], wait: Wait) -> i64 {
        self.make(number, args, wait, Meanwhile::Unlocked)
    }

    fn make(&self, number: u32, args: &[u64; 6], wait: Wait, meanwhile: Meanwhile) -> i64 {
        boot::counters().requests.fetch_add(1, Ordering::Relaxed);
        self.fill(number, args);
        let header = header();
        let polled = header.polled.load(Ordering::Relaxed) != 0;
        if polled && wait != Wait::Always && !shared::active() && !streams::is_round() {
            let tail = header.tail.load(Ordering::Relaxed);
            header.ring[tail as usize % SLOTS].store(self.index as u32, Ordering::Relaxed);
            header.tail.store(tail.wrapping_add(1), Ordering::Release);
            if meanwhile.is(|| self.wait()) == state::WOULD_BLOCK {
                self.slot().state.store(state::SUBMITTED, Ordering::Release);
                self.leave(Wait::Always, meanwhile);
            }
        } else {
            self.leave(wait, meanwhile);
        }
        self.finish()
    }

    /// Has this vCPU's own thread make the request.
    pub fn call_here(&self, number: u32, args: &[u64; 6]) -> i64 {
        boot::counters().requests.fetch_add(1, Ordering::Relaxed);
        self.fill(number, args);
        self.leave(Wait::Never, Meanwhile::Locked);
        self.finish()
    }

    /// Puts a batch of calls there, for the monitor to make before the next request.
    pub fn post(&self, calls: u64) {
        let slot = self.slot();
        slot.args[0].store(calls, Ordering::Relaxed);
        slot.state.store(state::SUBMITTED, Ordering::Relaxed);
        header()
            .posted
            .store(self.index as u32 + 1, Ordering::SeqCst);
    }

    /// Takes the batch back. `false`: the monitor has it.
    pub fn withdraw(&self) -> bool {
        header().posted.swap(0, Ordering::SeqCst) != 0
    }

    /// How many calls of the batch failed, once it has been made.
    pub fn made(&self) -> Option<i64> {
        (self.state() == state::DONE).then(|| self.finish())
    }

    fn finish(&self) -> i64 {
        let slot = self.slot();
        slot.state.store(state::FREE, Ordering::Relaxed);
        slot.result.load(Ordering::Relaxed)
    }

    fn fill(&self, number: u32, args: &[u64; 6]) {
        let slot = self.slot();
        slot.number.store(number, Ordering::Relaxed);
        for (to, from) in slot.args.iter().zip(args) {
            to.store(*from, Ordering::Relaxed);
        }
        slot.state.store(state::SUBMITTED, Ordering::Release);
    }

    /// Which of [`CAUSED`] the call has caused.
    pub fn caused(&self) -> u64 {
        self.slot().caused.load(Ordering::Relaxed)
    }

    fn state(&self) -> u32 {
        Owned::peek(self.index)
    }

    fn peek(index: usize) -> u32 {
        Owned::slot_at(index).state.load(Ordering::Acquire)
    }

    /// Waits for the helper's answer; returns the slot's state.
    fn wait(&self) -> u32 {
        loop {
            for turn in 0..DONE_SOON {
                match self.state() {
                    state::SUBMITTED if turn >= TAKEN_SOON => break,
                    state::SUBMITTED | state::SERVED => spin_loop(),
                    state => return state,
                }
            }
            // SAFETY: leaving for the monitor changes no register.
            unsafe { entry::out_serve() };
        }
    }

    /// Has this vCPU's own thread serve the slot.
    fn leave_for(&self) {
        while self.state() != state::DONE {
            let direct = self.index as u32 + 1;
            told().direct.store(direct, Ordering::Relaxed);
            // SAFETY: as in `wait`.
            unsafe { entry::out_serve() };
        }
    }

    /// Leaves the guest for the request. The vCPU's own thread serves it; but if it may block and
    /// there are other threads to run, one apart does.
    fn leave(&self, wait: Wait, meanwhile: Meanwhile) {
        if wait == Wait::Never || scheduler::count() < 2 || shared::active() {
            if wait != Wait::Never && !shared::active() {
                // Signals come to the first vCPU's thread, and end its call.
                scheduler::move_to_first();
            }
            return meanwhile.is(|| self.leave_for());
        }
        let Some(thread) = scheduler::find(threads::current().id()) else {
            panic!("the running thread is not in the list");
        };
        scheduler::prepare();
        WAITING.lock().push((self.index, thread));
        let direct = (self.index as u32 + 1) | APART;
        told().direct.store(direct, Ordering::Relaxed);
        // SAFETY: as in `wait`.
        unsafe { entry::out_serve() };
        while self.state() != state::DONE {
            // As often as it takes: who makes the call may not have been in it yet.
            if scheduler::block(None) == Woken::Interrupted {
                let args = [self.index as u64, 0, 0, 0, 0, 0];
                Owned::take().call_unlocked(machine::CANCEL, &args, Wait::Never);
            }
            scheduler::prepare();
        }
        scheduler::cancel();
        WAITING.lock().retain(|(index, _)| *index != self.index);
    }
}

/// Other processes have the descriptors from now on, as the program knows them.
pub fn share() {
    if let Some(fd) = streams::share() {
        close(fd);
    }
}

/// close(2) of a descriptor of which the program does not know.
pub fn close(fd: u64) {
    const CLOSE: u32 = 3;
    Owned::take().call(CLOSE, &[fd, 0, 0, 0, 0, 0], Wait::Never);
}

/// fork(2) of the process: 0 in the child, where no request of another thread is under way. `awaited`: the
/// caller waits for what the child does next ([`machine::AWAIT`]).
pub fn fork(awaited: bool) -> Result<u64, Errno> {
    share();
    let slot = Owned::take_here();
    let value = slot.call_here(machine::FORK, &[awaited.into(), 0, 0, 0, 0, 0]);
    if value == 0 {
        *USED.lock() = 1 << slot.index;
        streams::start_anew();
        let waiting = core::mem::take(&mut *WAITING.lock());
        drop(waiting);
    }
    result(value)
}

/// vfork(2) of the process: comes back in the child, or with an error.
pub fn vfork() -> Result<u64, Errno> {
    share();
    result(Owned::take_here().call_here(machine::VFORK, &[0; 6]))
}

/// The pid of a child that no longer uses this vCPU, once.
pub fn take_child_ended() -> Option<u32> {
    let ended = &header().child_ended;
    match ended.load(Ordering::Relaxed) {
        0 => None,
        _ => Some(ended.swap(0, Ordering::Acquire)),
    }
}

/// Whether requests were answered apart since [`collect`] last looked.
pub fn has_answers() -> bool {
    header().answered.load(Ordering::SeqCst) != COLLECTED.load(Ordering::Relaxed)
}

/// Wakes the threads whose requests were answered apart; returns whether there were any.
pub fn collect() -> bool {
    let answered = header().answered.load(Ordering::Acquire);
    if COLLECTED.swap(answered, Ordering::Relaxed) == answered {
        return false;
    }
    let done: Vec<Arc<Thread>> = {
        let waiting = WAITING.lock();
        let done = waiting
            .iter()
            .filter(|(index, _)| Owned::peek(*index) == state::DONE);
        done.map(|(_, thread)| Arc::clone(thread)).collect()
    };
    done.iter().for_each(|thread| {
        scheduler::wake(thread);
    });
    true
}

/// Whether the monitor wants the running thread to give way; asks once for each wish.
pub fn should_give_way() -> bool {
    is_kicked() && told().preempt.swap(0, Ordering::Relaxed) != 0 || has_answers()
}

/// Whether the monitor has a wish of this vCPU.
pub fn is_kicked() -> bool {
    told().preempt.load(Ordering::Relaxed) != 0
}

/// Whether the monitor has noted anything of signals; that it takes no more is the first vCPU's to see to.
pub fn has_notes() -> bool {
    let header = header();
    header.noted.load(Ordering::Acquire) != header.taken.load(Ordering::Relaxed)
        || header.overflow.load(Ordering::Relaxed) != 0
        || header.closed.load(Ordering::Relaxed) != 0 && vcpus::index() == 0
}

/// Takes the oldest signal that the monitor noted.
pub fn take_note() -> Option<[u32; INFO_WORDS]> {
    let header = header();
    let taken = header.taken.load(Ordering::Relaxed);
    if header.noted.load(Ordering::Acquire) == taken {
        return None;
    }
    let note = &header.notes[taken as usize % NOTES];
    let words = core::array::from_fn(|at| note.words[at].load(Ordering::Relaxed));
    header.taken.store(taken.wrapping_add(1), Ordering::Release);
    Some(words)
}

/// Signals of which nothing is known but that they came.
pub fn take_overflow() -> u64 {
    let overflow = &header().overflow;
    match overflow.load(Ordering::Relaxed) {
        0 => 0,
        _ => overflow.swap(0, Ordering::Acquire),
    }
}

/// Whether the monitor takes no more signals until it is asked to.
pub fn take_closed() -> bool {
    let closed = &header().closed;
    closed.load(Ordering::Relaxed) != 0 && closed.swap(0, Ordering::Acquire) != 0
}

/// How many calls of the program the monitor was asked for so far, modulo 2^32.
pub fn calls() -> u32 {
    CALLS.load(Ordering::Relaxed)
}

/// Tells what the host shall hold back.
pub fn set_held(held: u64) {
    header().held.store(held, Ordering::SeqCst);
}

/// Whether the host holds back just what it shall.
#[inline]
pub fn is_settled() -> bool {
    header().held.load(Ordering::Relaxed) == header().holding.load(Ordering::SeqCst)
}

/// Whether it holds back more than that, and will release the rest at the next tick.
pub fn will_settle() -> bool {
    let header = header();
    let held = header.held.load(Ordering::Relaxed);
    held & !header.holding.load(Ordering::SeqCst) == 0 && header.ticking.load(Ordering::SeqCst) != 0
}

/// Tells how many threads wait for the vCPU, and when the next one will that waits for a time.
pub fn set_waiting(ready: usize, deadline: u64) {
    header().ready.store(ready as u32, Ordering::Relaxed);
    header().deadline.store(deadline, Ordering::Relaxed);
}

/// Tells whether there are several threads, which are preempted from then on.
pub fn set_several(several: bool) {
    let header = header();
    header.several.store(u32::from(several), Ordering::SeqCst);
    if several && header.ticking.load(Ordering::SeqCst) == 0 {
        machine_call(machine::PREEMPT, [0; 5]);
    }
}

/// The vCPU has nothing to run: leaves the guest until it is woken, or until the deadline.
pub fn idle(deadline: u64) {
    let told = told();
    told.asleep.store(1, Ordering::SeqCst);
    let seen = told.woken.load(Ordering::SeqCst);
    // What comes from here on wakes the vCPU.
    if !has_answers() && (!has_notes() || shared::active()) {
        let args = [vcpus::index() as u64, u64::from(seen), deadline, 0, 0, 0];
        let slot = Owned::take();
        slot.fill(machine::IDLE, &args);
        vcpus::unlocked(|| slot.leave_for());
    }
    told.asleep.store(0, Ordering::Relaxed);
}

/// Has each vCPU of the set enter its kernel soon.
pub fn wake(set: u64) {
    machine_call(machine::WAKE, [set, 0, 0, 0, 0]);
}

/// Has the monitor start a vCPU.
pub fn start_vcpu(vcpu: usize) -> Result<u64, Errno> {
    let args = [vcpu as u64, 0, 0, 0, 0, 0];
    result(Owned::take().call_here(machine::START_VCPU, &args))
}

impl Drop for Owned {
    fn drop(&mut self) {
        *USED.lock() &= !(1 << self.index);
    }
}

/// A request to the machine itself ([`pinion_abi::calls::machine`]).
pub fn machine_call(number: u32, args: [u64; 5]) -> i64 {
    let [a, b, c, d, e] = args;
    Owned::take().call(number, &[a, b, c, d, e, 0], Wait::Never)
}

/// A host call whose arguments are numbers.
pub fn host_call(number: u32, args: [u64; 6]) -> Result<u64, Errno> {
    result(Owned::take().call(number, &args, Wait::Never))
}

/// Turns a call's result into a value or an error.
pub fn result(value: i64) -> Result<u64, Errno> {
    u64::try_from(value).map_err(|_| Errno(-value as i32))
}

/// Sends a text to the monitor's log.
pub fn log(text: &str) {
    let slot = Owned::take();
    let bytes = text.len().min(SLOT_BYTES - DATA);
    // SAFETY: the slot's data have room for that many bytes, and the slot is ours.
    unsafe {
        core::ptr::copy_nonoverlapping(
            text.as_ptr(),
            (slot.address() + DATA as u64) as *mut u8,
            bytes,
        );
    }
    let args = [DATA as u64, bytes as u64, 0, 0, 0, 0];
    slot.call(machine::LOG, &args, Wait::Never);
}
