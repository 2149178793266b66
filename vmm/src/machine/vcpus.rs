//! The vCPUs as the monitor's other threads see them: kicked out of the guest, or woken when they
//! have nothing to run.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use pinion_abi::channel::Header;
use pinion_abi::layout::MAX_VCPUS;

use super::futex;
use super::kick::{self, Target};
use super::ticker::{has_to_release, is_ticking, Ticker};
use crate::kvm::Vcpu;

/// What [`State::running`] says: the vCPU's thread is in the monitor, in KVM_RUN, or there and a kick
/// is on its way.
const OUTSIDE: u32 = 0;
const INSIDE: u32 = 1;
const KICKED: u32 = 2;

#[derive(Default)]
struct State {
    thread: AtomicI32,
    running: AtomicU32,
    /// How often it was woken: what it sleeps on. The header has a copy for the guest.
    woken: AtomicU32,
    sleeps: AtomicBool,
    /// What its thread runs, for a child of fork(2), which has no such thread.
    vcpu: AtomicPtr<Vcpu>,
}

#[derive(Default)]
pub struct Vcpus {
    states: [State; MAX_VCPUS],
    started: AtomicUsize,
    /// The process whose threads they are: a child of vfork(2) has the same memory, but another id.
    process: AtomicI32,
}

impl Vcpus {
    /// The calling thread runs the first vCPU, and there is no other.
    pub fn start(&self) {
        for state in &self.states {
            state.running.store(OUTSIDE, Ordering::Relaxed);
            state.sleeps.store(false, Ordering::Relaxed);
            state.vcpu.store(null_mut(), Ordering::Relaxed);
        }
        self.started.store(1, Ordering::Release);
        self.run_by_this_thread(0);
    }

    /// As [`Vcpus::start`], in a child of fork(2): the vCPUs of its parent are given back.
    pub fn restart(&self) {
        for state in &self.states {
            let vcpu = state.vcpu.swap(null_mut(), Ordering::Relaxed);
            if !vcpu.is_null() {
                // SAFETY: [`Vcpus::add`] was given it, from a box whose thread is not in this process.
                drop(unsafe { Box::from_raw(vcpu) });
            }
        }
        self.start();
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.started.load(Ordering::Acquire)
    }

    /// There is another one, whose thread runs `vcpu` for good.
    pub fn add(&self, vcpu: *mut Vcpu) {
        let index = self.started.load(Ordering::Acquire);
        self.states[index].vcpu.store(vcpu, Ordering::Release);
        self.started.store(index + 1, Ordering::Release);
    }

    pub fn run_by_this_thread(&self, index: usize) {
        let target = Target::this_thread();
        self.process.store(target.process(), Ordering::Release);
        self.states[index]
            .thread
            .store(target.thread(), Ordering::Release);
    }

    /// The vCPU's thread goes into KVM_RUN: from here on it can be kicked.
    pub fn enter(&self, index: usize) {
        kick::forget();
        self.states[index].running.store(INSIDE, Ordering::SeqCst);
    }

    /// It has come back. A kick that was meant for KVM_RUN does not interrupt what follows.
    pub fn leave(&self, index: usize) {
        let running = &self.states[index].running;
        if running.swap(OUTSIDE, Ordering::SeqCst) == KICKED {
            kick::wait();
        }
    }

    /// Has the vCPU enter its kernel soon.
    pub fn wake(&self, header: &Header, index: usize) {
        let state = &self.states[index];
        let told = &header.vcpus[index];
        let woken = state.woken.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        told.woken.store(woken, Ordering::Release);
        if state.sleeps.load(Ordering::SeqCst) {
            futex::wake(&state.woken);
            return;
        }
        told.preempt.store(1, Ordering::SeqCst);
        let inside =
            state
                .running
                .compare_exchange(INSIDE, KICKED, Ordering::SeqCst, Ordering::SeqCst);
        if inside.is_ok() {
            self.target(index).kick();
        }
    }

    /// As [`Vcpus::wake`], and ends a call that the vCPU's thread is in.
    pub fn interrupt(&self, header: &Header, index: usize) {
        self.wake(header, index);
        self.target(index).kick();
    }

    /// The vCPU's thread.
    pub fn target(&self, index: usize) -> Target {
        let process = self.process.load(Ordering::Acquire);
        Target::new(process, self.states[index].thread.load(Ordering::Acquire))
    }

    /// Has one vCPU see to what came for any of them: one that sleeps, or one that runs. Those that are
    /// in the monitor look when they go back.
    pub fn wake_one(&self, header: &Header) {
        let mut all = 0..self.count();
        let asleep = |index: &usize| header.vcpus[*index].asleep.load(Ordering::SeqCst) != 0;
        let inside = |index: &usize| {
            let running = self.states[*index].running.load(Ordering::SeqCst);
            running != OUTSIDE
        };
        if let Some(index) = all.clone().find(asleep).or_else(|| all.find(inside)) {
            self.wake(header, index);
        }
    }

    /// A tick while threads wait for a vCPU: one that sleeps takes one, and the others give way.
    pub fn share(&self, header: &Header) {
        for index in 0..self.count() {
            let state = &self.states[index];
            if state.running.load(Ordering::SeqCst) != OUTSIDE {
                self.wake(header, index);
            }
        }
        self.wake_one(header);
    }

    /// Kicks those again that have not seen why: the kernel was on its way back to the program.
    pub fn repeat(&self, header: &Header) {
        for index in 0..self.count() {
            let inside = self.states[index].running.load(Ordering::SeqCst) != OUTSIDE;
            if inside && header.vcpus[index].preempt.load(Ordering::SeqCst) != 0 {
                self.wake(header, index);
            }
        }
    }

    /// Whether a kick waits to be seen.
    pub fn is_kicked(&self, header: &Header) -> bool {
        let mut vcpus = header.vcpus[..self.count()].iter();
        vcpus.any(|vcpu| vcpu.preempt.load(Ordering::Relaxed) != 0)
    }

    /// The count of wakes of the first vCPU, whose thread takes the guest's signals.
    pub fn first_woken(&self) -> *const AtomicU32 {
        &self.states[0].woken
    }

    /// The vCPU has nothing to run until it is woken, or until the deadline. While all sleep there are
    /// no ticks.
    pub fn sleep(&self, header: &Header, index: usize, seen: u32, deadline: u64, ticker: &Ticker) {
        let state = &self.states[index];
        state.sleeps.store(true, Ordering::SeqCst);
        if self.all_sleep() && !has_to_release(header) {
            ticker.set(false);
            if !self.all_sleep() {
                // Another one went on meanwhile.
                ticker.set(is_ticking(header));
            }
        }
        futex::wait_until(&state.woken, seen, deadline);
        state.sleeps.store(false, Ordering::SeqCst);
        // Two that woke it may have written the guest's copy in the other order.
        let woken = state.woken.load(Ordering::Acquire);
        header.vcpus[index].woken.store(woken, Ordering::Release);
        ticker.set(is_ticking(header));
    }

    fn all_sleep(&self) -> bool {
        let mut states = self.states[..self.count()].iter();
        states.all(|state| state.sleeps.load(Ordering::SeqCst))
    }

    /// The vCPU does not sleep, whatever a child of vfork(2) that ended meanwhile had it do.
    pub fn forget_sleep(&self, index: usize) {
        self.states[index].sleeps.store(false, Ordering::SeqCst);
    }
}
