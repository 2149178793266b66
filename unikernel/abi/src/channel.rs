//! The channel: requests of the guest to its monitor, through shared memory.
//!
//! A ring of indices into a table of slots; a slot carries one request and its answer, and data for
//! both. The guest writes a slot, pushes its index and moves `tail`; a server (the monitor's helper
//! thread, or a vCPU's own thread after an exit) takes indices in order and answers in the slot. Who
//! waits, waits for the slot's `state`. All vCPUs share the ring, under the kernel's lock.
//!
//! The server's own position in the ring is not in shared memory, so a guest can confuse nothing
//! but itself: every field that the server reads is read once and checked.

use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64};

use crate::layout::MAX_VCPUS;

/// Slots of a channel: how many requests can be under way at once.
pub const SLOTS: usize = 128;
/// Bytes of a slot with its data.
pub const SLOT_BYTES: usize = 24 << 10;
/// Where the data begin in a slot; offsets in requests count from the slot's start.
pub const DATA: usize = 128;
pub const HEADER_BYTES: u64 = 4096;
pub const CHANNEL_BYTES: u64 = HEADER_BYTES + (SLOTS * SLOT_BYTES) as u64;

/// The channel's first page.
#[repr(C, align(64))]
pub struct Header {
    /// Requests pushed so far, modulo 2^32. Written by the guest.
    pub tail: AtomicU32,
    _pad0: [u32; 15],
    /// Not 0 while a helper thread polls the ring: then the guest spins for an answer, otherwise
    /// it leaves by [`crate::ports::SERVE`]. Written by the monitor.
    pub polled: AtomicU32,
    /// Not 0: the program has several threads. Written by the guest, before it looks at `ticking`.
    pub several: AtomicU32,
    /// Not 0: threads are preempted, since [`crate::calls::machine::PREEMPT`] and until the monitor has found
    /// for a while that there is but one. Written by the monitor, before it looks at `several`.
    pub ticking: AtomicU32,
    _pad1: [u32; 13],
    /// How many requests were answered apart, modulo 2^32. Written by the monitor.
    pub answered: AtomicU32,
    /// How many threads wait for a vCPU. Written by the guest: while it is 0 nothing is preempted.
    pub ready: AtomicU32,
    /// When the first of the waiting threads shall go on (nanoseconds of the monotonic clock; 0: none
    /// waits for a time). Written by the guest.
    pub deadline: AtomicU64,
    /// The slot, plus 1, of a batch of calls that the program has been answered already
    /// ([`crate::streams::Posted`]); they are made before any other request. The guest puts it there,
    /// and takes it back to add a call; whom the monitor serves next, takes it. 0: none.
    pub posted: AtomicU32,
    _pad2: [u32; 11],
    /// Slot indices. Written by the guest.
    pub ring: [AtomicU32; SLOTS],
    /// How many signals the monitor noted so far for the kernel, and how many of them the kernel took,
    /// modulo 2^32. The former is the monitor's, the latter the guest's.
    pub noted: AtomicU32,
    pub taken: AtomicU32,
    /// Not 0: the monitor found no more room, and blocks all signals until the kernel asks anew
    /// ([`crate::calls::machine::BLOCK`]). Written by both.
    pub closed: AtomicU32,
    /// The pid of a child that no longer uses the vCPU ([`crate::calls::machine::VFORK`]), until the
    /// kernel has taken it; 0: none. Written by both.
    pub child_ended: AtomicU32,
    /// A bit for each signal that came when there was no room at all. The monitor sets bits, the guest
    /// takes them.
    pub overflow: AtomicU64,
    /// What all threads block and no handler of the program takes: the host shall hold these back. Written by
    /// the guest, before it looks at `holding` and `ticking`.
    pub held: AtomicU64,
    /// What the host does hold back. Written by the monitor, before it releases any and before it looks at
    /// `held` again. While threads are preempted the two may differ by signals that are to be released, for one
    /// tick at most.
    pub holding: AtomicU64,
    /// The signals themselves, each at its count modulo [`NOTES`]. Written by the monitor.
    pub notes: [Note; NOTES],
    pub vcpus: [Vcpu; MAX_VCPUS],
}

/// What the monitor and one vCPU tell each other.
#[repr(C, align(64))]
pub struct Vcpu {
    /// The slot, plus 1, that the vCPU's own thread shall serve after this exit, though it may
    /// block; 0: what stands in the ring. With [`APART`] a thread of its own serves it, and the
    /// vCPU comes back at once. Written by the guest.
    pub direct: AtomicU32,
    /// Not 0: the kernel shall look for another thread to run before it goes back to the program.
    /// Set by the monitor, taken by the guest.
    pub preempt: AtomicU32,
    /// How often the vCPU was woken, modulo 2^32. Written by the monitor.
    pub woken: AtomicU32,
    /// Not 0 while the vCPU has nothing to run. Written by the guest.
    pub asleep: AtomicU32,
}

/// Signals that can wait for the kernel to take them.
pub const NOTES: usize = 32;
/// Words of a siginfo_t that are ever used (sigaction(2), asm-generic/siginfo.h).
pub const INFO_WORDS: usize = 12;

/// A signal that came: the beginning of its siginfo_t. `si_signo` [`TIMER`] with `si_code` SI_TIMER says
/// that a timer of the program's has expired (timer_create(2)).
#[repr(C)]
pub struct Note {
    pub words: [AtomicU32; INFO_WORDS],
}

/// The signal by which the host tells of timers. The C library keeps the number for itself, so the
/// host never has one for the program.
pub const TIMER: i32 = 32;

/// The head of a slot; data follow at [`DATA`].
#[repr(C, align(64))]
pub struct Slot {
    /// One of [`state`].
    pub state: AtomicU32,
    /// A Linux system-call number, or one of [`crate::calls::machine`].
    pub number: AtomicU32,
    /// As the call's row in [`crate::calls`] says.
    pub args: [AtomicU64; 6],
    /// The call's result: 0 or more, or a negative error number.
    pub result: AtomicI64,
    /// Which of [`CAUSED`] the calling thread blocks, as a set of signals. Written by the guest.
    pub blocked: AtomicU64,
    /// Which of them the call has caused: they wait for the thread. Written by the monitor.
    pub caused: AtomicU64,
}

/// Signals that a write causes, for the thread that makes it: SIGPIPE and SIGXFSZ (signal(7)).
pub const CAUSED: u64 = 1 << 12 | 1 << 24;

const _: () = assert!(size_of::<Slot>() <= DATA);
const _: () = assert!(size_of::<Header>() as u64 <= HEADER_BYTES);

/// See [`Vcpu::direct`].
pub const APART: u32 = 1 << 31;

/// What a slot's `state` can be.
pub mod state {
    /// The guest may fill it.
    pub const FREE: u32 = 0;
    /// Filled, and pushed or named in [`super::Vcpu::direct`].
    pub const SUBMITTED: u32 = 1;
    /// Answered.
    pub const DONE: u32 = 2;
    /// The call would block, and was not done: the guest names the slot in
    /// [`super::Vcpu::direct`] and leaves.
    pub const WOULD_BLOCK: u32 = 3;
    /// A thread of the monitor is about it.
    pub const SERVED: u32 = 4;
}

/// A request as the server copied it out of a slot: nothing in it has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub number: u32,
    pub args: [u64; 6],
}

/// One piece of a buffer in guest-physical memory, as they stand in a slot's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    pub address: u64,
    pub bytes: u64,
}

/// A [`crate::calls::Arg::BufferIn`] or `BufferOut` argument: where the segments stand in the slot
/// and how many they are.
pub const fn segments(offset: u32, count: u32) -> u64 {
    (count as u64) << 32 | offset as u64
}

/// The inverse of [`segments`]: (offset, count).
pub const fn segments_of(arg: u64) -> (u32, u32) {
    (arg as u32, (arg >> 32) as u32)
}
