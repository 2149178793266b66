//! The monitor's side of the channel: takes requests, has them done, writes answers.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use pinion_abi::calls::machine;
use pinion_abi::channel::{
    state, Header, Request, Slot, APART, CAUSED, HEADER_BYTES, SLOTS, SLOT_BYTES,
};
use pinion_abi::layout::{physical, MAX_VCPUS};
use pinion_abi::Errno;

use super::awaited::{self, Awaited};
use super::crowded::Crowded;
use super::memory::Memory;
use super::posted::Posted;
use super::profile::Profile;
use super::requests::{last_errno, Machinery};
use super::signals;
use super::ticker::Ticker;
use super::vcpus::Vcpus;
use super::workers::{self, Workers};
use crate::calls::{Answer, Service, SlotData};

/// Serves the channel. The vCPUs' threads and a helper share it.
pub struct Server {
    pub memory: Memory,
    service: Service,
    pub machinery: Machinery,
    /// Requests taken from the ring so far: the guest cannot write it.
    taken: AtomicU32,
    /// What the helper does ([`super::helper`]), and what it sleeps on.
    pub(super) helper: AtomicU32,
    /// Exits for the channel, for the counters.
    pub exits: AtomicU64,
    pub(super) vcpus: Vcpus,
    pub(super) ticker: Ticker,
    pub(super) workers: Workers,
    pub(super) awaited: Awaited,
    pub(super) posted: Posted,
    pub(super) crowded: Crowded,
    pub(super) profile: Profile,
}

/// What the vCPU left for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direct {
    /// No slot of its own.
    None,
    Served,
    /// To fork(2); the answer goes to this slot.
    Fork(usize),
    /// To start another vCPU; as for `Fork`.
    Start(usize),
    /// To vfork(2); likewise.
    Vfork(usize),
    /// To execve(2): the slot, and where in the guest's memory the request is.
    Exec(usize, u64, u64),
}

thread_local! {
    /// What serves this thread's requests in the server's place.
    static CHILD: Cell<*const Service> = const { Cell::new(std::ptr::null()) };
}

/// Requests that this thread serves meanwhile are `service`'s.
pub(super) fn serve_by<T>(service: &Service, act: impl FnOnce() -> T) -> T {
    CHILD.set(service);
    let result = act();
    CHILD.set(std::ptr::null());
    result
}

/// Whether this thread is that of a child of vfork(2).
pub(super) fn is_child() -> bool {
    !CHILD.get().is_null()
}

fn named(direct: u32) -> Option<usize> {
    (direct != 0).then(|| ((direct & !APART).wrapping_sub(1)) as usize % SLOTS)
}

impl Server {
    pub fn new(memory: Memory, service: Service, machinery: Machinery) -> Server {
        let vcpus = Vcpus::default();
        vcpus.start();
        service.look_at(memory.view(), machinery.census);
        let profile = Profile::new(machinery.verbose);
        let crowded = Crowded::new(&service);
        Server {
            memory,
            service,
            machinery,
            taken: AtomicU32::new(0),
            helper: AtomicU32::new(0),
            exits: AtomicU64::new(0),
            vcpus,
            ticker: Ticker::default(),
            workers: Workers::default(),
            awaited: Awaited::default(),
            posted: Posted::default(),
            crowded,
            profile,
        }
    }

    fn channel(&self) -> *mut u8 {
        self.memory
            .boot_pages()
            .wrapping_add(physical::CHANNEL as usize)
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: the channel's pages are in the boot memory, which stays mapped; every field is
        // atomic, so what the guest does to them is seen as some value.
        unsafe { &*self.channel().cast::<Header>() }
    }

    pub(super) fn slot(&self, index: usize) -> (&Slot, SlotData) {
        let at = self
            .channel()
            .wrapping_add(HEADER_BYTES as usize + index % SLOTS * SLOT_BYTES);
        // SAFETY: as for the header; the slot's data are only copied.
        unsafe { (&*at.cast::<Slot>(), SlotData::new(at, SLOT_BYTES)) }
    }

    /// Who serves the guest's calls: for a child of vfork(2) its own.
    pub(super) fn service(&self) -> &Service {
        let child = CHILD.get();
        if child.is_null() {
            return &self.service;
        }
        // SAFETY: `serve_by` keeps it for as long as it is set.
        unsafe { &*child }
    }

    /// The slot that the first vCPU named before it left.
    pub(super) fn direct(&self) -> Option<usize> {
        named(self.header().vcpus[0].direct.load(Ordering::Acquire))
    }

    /// The same, once.
    pub(super) fn take_direct(&self) -> Option<usize> {
        named(self.header().vcpus[0].direct.swap(0, Ordering::Acquire))
    }

    /// Takes the next request from the ring.
    fn pop(&self) -> Option<usize> {
        let header = self.header();
        loop {
            let taken = self.taken.load(Ordering::Relaxed);
            let waiting = header.tail.load(Ordering::Acquire).wrapping_sub(taken);
            if waiting == 0 {
                return None;
            }
            // A tail that cannot be is the guest's own loss: all before it are skipped.
            let skip = waiting.saturating_sub(SLOTS as u32);
            let at = taken.wrapping_add(skip);
            let next = at.wrapping_add(1);
            if self
                .taken
                .compare_exchange(taken, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                let index = header.ring[at as usize % SLOTS].load(Ordering::Relaxed);
                return Some(index as usize % SLOTS);
            }
        }
    }

    /// Whether the ring has a request.
    pub(super) fn has_request(&self) -> bool {
        self.header().tail.load(Ordering::SeqCst) != self.taken.load(Ordering::Relaxed)
    }

    /// Serves what stands in the ring; returns how many requests that were.
    pub fn drain(&self) -> usize {
        let mut served = 0;
        // No more than can be honest in one go: a guest that pushes for ever must not hold us.
        while served < SLOTS {
            let Some(index) = self.pop() else { break };
            self.serve(index, false);
            served += 1;
        }
        served
    }

    /// Serves the slot that the vCPU named before it left, if it did; but forks and new vCPUs are the
    /// caller's to make.
    pub fn serve_direct(self: &Arc<Self>, vcpu: usize) -> Direct {
        self.make_posted();
        self.machinery.title.follow(&self.memory.view());
        let direct = &self.header().vcpus[vcpu].direct;
        let direct = direct.swap(0, Ordering::Acquire);
        if direct == 0 {
            return Direct::None;
        }
        let index = ((direct & !APART).wrapping_sub(1)) as usize % SLOTS;
        if direct & APART == 0 {
            let slot = self.slot(index).0;
            match slot.number.load(Ordering::Relaxed) {
                machine::FORK => return Direct::Fork(index),
                machine::START_VCPU => return Direct::Start(index),
                machine::VFORK => return Direct::Vfork(index),
                machine::EXEC => {
                    let argument = |at: usize| slot.args[at].load(Ordering::Relaxed);
                    return Direct::Exec(index, argument(0), argument(1));
                }
                _ => self.serve(index, true),
            };
        } else if is_child() {
            // It has no workers.
            self.serve(index, true);
        } else if !self.serve(index, false) {
            self.slot(index)
                .0
                .state
                .store(state::SUBMITTED, Ordering::Relaxed);
            if !workers::serve(self, index) {
                self.serve(index, true);
            }
        }
        Direct::Served
    }

    /// Serves a slot on a worker, and tells the guest.
    pub(super) fn serve_apart(&self, index: usize) {
        self.serve(index, true);
        let header = self.header();
        header.answered.fetch_add(1, Ordering::SeqCst);
        self.vcpus.wake_one(header);
    }

    /// Each vCPU of the set enters its kernel soon.
    pub(super) fn wake(&self, set: u64) {
        for index in (0..self.vcpus.count()).filter(|index| set >> index & 1 != 0) {
            self.vcpus.wake(self.header(), index);
        }
    }

    /// The vCPU has nothing to run until it is woken, or until the deadline.
    pub(super) fn idle(&self, vcpu: u64, seen: u64, deadline: u64) {
        let index = vcpu as usize % MAX_VCPUS;
        self.vcpus
            .sleep(self.header(), index, seen as u32, deadline, &self.ticker);
    }

    /// What the program before this one blocked is still held back.
    pub(super) fn tell_held(&self) {
        let (header, held) = (self.header(), &self.machinery.blocked);
        let held = held.load(Ordering::Relaxed);
        header.held.store(held, Ordering::Relaxed);
        header.holding.store(held, Ordering::Relaxed);
    }

    /// Whether the host holds back just the signals that the guest wants it to.
    pub(super) fn is_settled(&self) -> bool {
        let header = self.header();
        header.held.load(Ordering::Relaxed) == self.machinery.blocked.load(Ordering::Relaxed)
    }

    /// The host holds these back from now on. For the first vCPU's thread.
    pub(super) fn hold_back(&self) -> Result<i64, Errno> {
        let header = self.header();
        let mut held = header.held.load(Ordering::SeqCst);
        // An honest guest changes it but once meanwhile.
        for _ in 0..SLOTS {
            header.holding.store(held, Ordering::SeqCst);
            let now = header.held.load(Ordering::SeqCst);
            if now == held {
                break;
            }
            held = now;
        }
        self.machinery.blocked.store(held, Ordering::Relaxed);
        signals::block(held)
    }

    /// The same, if there is anything to change; while no signals are taken, the guest asks for it itself.
    pub(super) fn settle(&self) {
        if !self.is_settled() && self.header().closed.load(Ordering::Relaxed) == 0 {
            // The sets are valid, and so is the request (sigprocmask(2)).
            let _ = self.hold_back();
        }
    }

    /// Answers a slot.
    pub(super) fn answer(&self, index: usize, result: i64) {
        let slot = self.slot(index).0;
        slot.result.store(result, Ordering::Relaxed);
        slot.state.store(state::DONE, Ordering::Release);
    }

    /// fork(2), with no lock held by another thread. In the child this is the only thread, and
    /// nothing is under way.
    pub(super) fn fork(&self, awaited: bool) -> Result<libc::pid_t, Errno> {
        self.service().prepare_fork()?;
        self.reserve()?;
        let posted = self.posted.hold();
        let mut workers = self.workers.hold();
        let vm = self.machinery.vm();
        let service = self.service.hold();
        let mut children = self.awaited.hold();
        let word = awaited.then(awaited::Word::new).transpose()?;
        // What is sent to the child meanwhile waits until it has forgotten its parent's signals.
        let blocked = signals::block_all();
        // SAFETY: the C library keeps its own locks over fork(2), and all of this process that other
        // threads could hold are held here.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            signals::forget(self.header());
        }
        let error = last_errno();
        blocked.restore();
        if pid == -1 {
            self.reserved(None);
            return Err(error);
        }
        // In the child it is its own.
        self.reserved(Some(if pid == 0 {
            std::process::id()
        } else {
            pid as u32
        }));
        if pid == 0 {
            children.clear();
            awaited::forget();
            if let Some(word) = word {
                word.keep();
            }
            workers.reset();
            service.reset();
            self.ticker.reset();
            self.vcpus.restart();
            let header = self.header();
            header.ticking.store(0, Ordering::Relaxed);
            let tail = header.tail.load(Ordering::Relaxed);
            self.taken.store(tail, Ordering::Relaxed);
            for vcpu in &header.vcpus {
                vcpu.preempt.store(0, Ordering::Relaxed);
            }
        } else if let Some(word) = word {
            children.push((pid, word));
        }
        drop((vm, posted));
        Ok(pid)
    }

    /// Makes a system call of the guest's; what signals it causes are for the thread that asks.
    fn call(&self, slot: &Slot, data: &SlotData, request: Request, may_block: bool) -> Answer {
        let make = || self.service().serve(&self.memory, data, request, may_block);
        if is_child() {
            // All signals of a child of vfork(2) wait until it executes a program.
            return make();
        }
        let blocked = slot.blocked.load(Ordering::Relaxed) & CAUSED;
        signals::block_caused(blocked);
        let answer = make();
        let failed = [Errno::EPIPE, Errno::EFBIG].map(|errno| Answer::Result(errno.as_result()));
        // A call that has waited may have been done in part.
        if blocked != 0 && (may_block || failed.contains(&answer)) {
            let caused = signals::take_caused(blocked);
            slot.caused.store(caused, Ordering::Relaxed);
        }
        answer
    }

    /// Returns whether the slot was answered, rather than found to block.
    fn serve(&self, index: usize, may_block: bool) -> bool {
        self.make_posted();
        let (slot, data) = self.slot(index);
        slot.state.store(state::SERVED, Ordering::Relaxed);
        let mut request = Request {
            number: slot.number.load(Ordering::Relaxed),
            args: std::array::from_fn(|at| slot.args[at].load(Ordering::Relaxed)),
        };
        let ahead = self.may_look_ahead(&mut request);
        let answer = self.profile.count(request.number, || {
            if request.number >= machine::GROW {
                self.machine(&data, &request, may_block)
            } else {
                self.call(slot, &data, request, may_block)
            }
        });
        let state = match answer {
            Answer::Result(value) => {
                slot.result.store(value, Ordering::Relaxed);
                if let Some(again) = ahead.filter(|_| value > 0) {
                    if again != 0 {
                        self.open_again(&data, again);
                    }
                    self.watch();
                }
                state::DONE
            }
            Answer::WouldBlock => state::WOULD_BLOCK,
        };
        slot.state.store(state, Ordering::Release);
        state == state::DONE
    }
}
