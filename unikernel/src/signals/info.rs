//! What a signal says (siginfo_t, sigaction(2)), and the signals that wait for a thread or for the
//! process.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use pinion_abi::boot::PendingSignal;
use pinion_abi::channel::INFO_WORDS;
use pinion_abi::Errno;
use spin::Mutex;

use super::{Cause, Signal, LAST};
use crate::boot;
use crate::syscalls::limits;

/// `si_code` (asm-generic/siginfo.h).
pub const SI_USER: i32 = 0;
pub const SI_TIMER: i32 = -2;
pub const SI_TKILL: i32 = -6;

/// The first signal of which several can wait (signal(7), real-time signals).
const REAL_TIME: u32 = 32;
/// What the program's own instructions cause comes first (Linux's SYNCHRONOUS_MASK).
const SYNCHRONOUS: u64 = Signal::SEGV.bit()
    | Signal::BUS.bit()
    | Signal::ILL.bit()
    | Signal::TRAP.bit()
    | Signal::FPE.bit()
    | Signal::SYS.bit();

/// The beginning of a siginfo_t (asm-generic/siginfo.h); what follows is zero.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    pub words: [u32; INFO_WORDS],
    /// The timer that sent it, which counts its overruns.
    pub timer: Option<u32>,
}

impl Info {
    pub fn new(signal: Signal, code: i32) -> Info {
        let mut words = [0; INFO_WORDS];
        words[0] = signal.0;
        words[2] = code as u32;
        Info { words, timer: None }
    }

    /// One that the process sends itself: `si_pid`, `si_uid`.
    pub fn own(signal: Signal, code: i32) -> Info {
        let process = &boot::info().process;
        let mut info = Info::new(signal, code);
        info.words[4] = process.pid;
        info.words[5] = process.uid;
        info
    }

    /// A fault's: `si_addr`.
    pub fn of_fault(cause: &Cause) -> Info {
        let mut info = Info::new(cause.signal, cause.code);
        info.words[4] = cause.address as u32;
        info.words[5] = (cause.address >> 32) as u32;
        info
    }

    /// A timer's: `si_tid`, `si_overrun`, `si_value`.
    pub fn of_timer(signal: Signal, id: u32, value: u64) -> Info {
        let mut info = Info::new(signal, SI_TIMER);
        info.words[4] = id;
        info.words[6] = value as u32;
        info.words[7] = (value >> 32) as u32;
        info.timer = Some(id);
        info
    }

    pub fn signal(&self) -> Signal {
        Signal(self.words[0])
    }

    pub fn code(&self) -> i32 {
        self.words[2] as i32
    }
}

/// How many wait in all, for RLIMIT_SIGPENDING.
static QUEUED: AtomicU32 = AtomicU32::new(0);

/// Signals that wait.
pub struct Pending {
    /// Those of which one waits at least; written under the lock only.
    set: AtomicU64,
    infos: Mutex<VecDeque<Info>>,
}

impl Pending {
    pub const fn new() -> Pending {
        Pending {
            set: AtomicU64::new(0),
            infos: Mutex::new(VecDeque::new()),
        }
    }

    pub fn set(&self) -> u64 {
        self.set.load(Ordering::Relaxed)
    }

    /// Adds one. Of a number below the real-time ones only the first counts. EAGAIN beyond
    /// RLIMIT_SIGPENDING, if a sender's value would be lost; a plain one then waits without what it says.
    pub fn post(&self, info: Info) -> Result<(), Errno> {
        let signal = info.signal();
        let mut infos = self.infos.lock();
        if signal.0 < REAL_TIME && self.set() & signal.bit() != 0 {
            return Ok(());
        }
        let full = u64::from(QUEUED.load(Ordering::Relaxed)) >= limits::soft(limits::SIGPENDING);
        if full && signal.0 >= REAL_TIME && info.code() != SI_USER {
            return Err(Errno::EAGAIN);
        }
        // The other ones are as many as there are numbers.
        if !full || signal.0 < REAL_TIME {
            QUEUED.fetch_add(1, Ordering::Relaxed);
            infos.push_back(info);
        }
        self.set.fetch_or(signal.bit(), Ordering::Relaxed);
        Ok(())
    }

    /// Takes the first of a set: the lowest number, the oldest of it.
    pub fn take(&self, of: u64) -> Option<Info> {
        let mut infos = self.infos.lock();
        let ready = self.set() & of;
        if ready == 0 {
            return None;
        }
        let first = match ready & SYNCHRONOUS {
            0 => ready,
            synchronous => synchronous,
        };
        let signal = Signal(first.trailing_zeros() + 1);
        let mut same = infos
            .iter()
            .enumerate()
            .filter(|(_, info)| info.signal() == signal)
            .map(|(at, _)| at);
        let (at, more) = (same.next(), same.next().is_some());
        if !more {
            self.set.fetch_and(!signal.bit(), Ordering::Relaxed);
        }
        let info = at.and_then(|at| infos.remove(at));
        if info.is_some() {
            QUEUED.fetch_sub(1, Ordering::Relaxed);
        }
        Some(info.unwrap_or(Info::new(signal, SI_USER)))
    }

    /// Copies of all but timers' signals.
    pub fn copies(&self) -> Vec<PendingSignal> {
        let infos = self.infos.lock();
        let others = infos.iter().filter(|info| info.timer.is_none());
        others.map(|info| info.words).collect()
    }

    /// Drops all of a set; returns them.
    pub fn drop_all(&self, of: u64) -> VecDeque<Info> {
        let mut infos = self.infos.lock();
        self.set.fetch_and(!of, Ordering::Relaxed);
        let (dropped, kept) = core::mem::take(&mut *infos)
            .into_iter()
            .partition(|info: &Info| of & info.signal().bit() != 0);
        *infos = kept;
        let dropped: VecDeque<Info> = dropped;
        QUEUED.fetch_sub(dropped.len() as u32, Ordering::Relaxed);
        dropped
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.drop_all(!0);
    }
}

/// Whether a number is that of a signal.
pub fn is_signal(number: u32) -> bool {
    (1..=LAST).contains(&number)
}
