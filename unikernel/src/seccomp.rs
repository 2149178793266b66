//! The judging of system calls (seccomp(2)): by the container's profile, which every process begins
//! with, and by the filters that the program adds, of which each thread has its own.

use alloc::vec::Vec;

use pinion_abi::calls::machine;
use pinion_abi::layout::{physical, PHYSICAL};
use pinion_abi::seccomp::{action, Data, Filter, Filters, Gate, ARCHITECTURE};
use pinion_abi::Errno;
use spin::Mutex;

use crate::arch::Frame;
use crate::channel;
use crate::signals::{self, info::Info, Signal};
use crate::syscalls::{process, threads::shared};
use crate::threads::{current, scheduler, Thread};
use crate::{boot, text};

/// What a thread may call.
#[derive(Clone, Default)]
pub struct Rules {
    /// SECCOMP_MODE_STRICT: no more than [`STRICT`].
    pub strict: bool,
    pub filters: Filters,
}

/// read, write, rt_sigreturn, exit.
const STRICT: [u32; 4] = [0, 1, 15, 60];

/// Open for what no thread's rules can refuse.
static GATE: Gate = Gate::open();
/// The filters that the monitor judges by: those that all threads have.
static TOLD: Mutex<Option<Filters>> = Mutex::new(None);

/// Takes over the filters that the process begins with, before its first call.
pub fn start() {
    let words = boot::info().filter_words.min(physical::FILTERS_BYTES / 8) as usize;
    if words == 0 {
        return;
    }
    // SAFETY: the monitor filled these pages before the first instruction; nobody writes them.
    let words =
        unsafe { core::slice::from_raw_parts((PHYSICAL + physical::FILTERS) as *const u64, words) };
    match Filters::from_words(words) {
        Ok(filters) => {
            GATE.narrow(&filters);
            current().rules.lock().filters = filters.clone();
            *TOLD.lock() = Some(filters);
            // From here on: what the kernel did so far it did to load the program.
            channel::machine_call(machine::SECCOMP, [0; 5]);
        }
        Err(_) => panic!("the filters of the process are damaged"),
    }
}

/// What becomes of a call.
pub enum Verdict {
    Pass,
    /// It is not made; this is its result.
    Result(Result<u64, Errno>),
    /// It is not made; the program goes on in its handler of SIGSYS.
    Trapped,
}

/// Whether no filter of any thread has anything against calls of that number.
#[inline]
pub fn passes(number: u32) -> bool {
    GATE.passes(number)
}

/// Judges the call of a frame; `number` is its number.
#[inline]
pub fn judge(frame: &mut Frame, number: u32) -> Verdict {
    if passes(number) {
        return Verdict::Pass;
    }
    judge_slowly(frame, number)
}

#[cold]
fn judge_slowly(frame: &mut Frame, number: u32) -> Verdict {
    let rules = current().rules.lock().clone();
    if rules.strict {
        return match STRICT.contains(&number) {
            true => Verdict::Pass,
            false => end_thread(Signal::KILL),
        };
    }
    let at = text::original(frame.rip);
    let data = Data::new(number, Some(at), frame.args().map(Some));
    // Everything is known.
    let verdict = rules.filters.judge(&data).unwrap_or(action::KILL_PROCESS);
    // The thread may end here, and drops nothing then.
    drop(rules);
    let value = verdict & action::DATA;
    match verdict & action::MASK {
        action::ALLOW | action::LOG => Verdict::Pass,
        // MAX_ERRNO is the largest.
        action::ERRNO => Verdict::Result(match value.min(4095) {
            0 => Ok(0),
            number => Err(Errno(number as i32)),
        }),
        action::TRAP => {
            frame.rax = frame.original;
            let mut info = Info::new(Signal::SYS, SYS_SECCOMP);
            // si_errno, si_call_addr, si_syscall, si_arch.
            info.words[1] = value;
            info.words[4] = at as u32;
            info.words[5] = (at >> 32) as u32;
            info.words[6] = number;
            info.words[7] = ARCHITECTURE;
            signals::force(frame, &info);
            Verdict::Trapped
        }
        // Without a tracer, or a listener.
        action::TRACE | action::USER_NOTIF => Verdict::Result(Err(Errno::ENOSYS)),
        action::KILL_THREAD => end_thread(Signal::SYS),
        _ => process::exit_with_signal(Signal::SYS.0),
    }
}

/// <asm-generic/siginfo.h>.
const SYS_SECCOMP: i32 = 1;

/// The thread ends; were it the last one, the process dies of the signal.
fn end_thread(signal: Signal) -> ! {
    if scheduler::count() == 1 || shared::active() {
        process::exit_with_signal(signal.0)
    }
    process::end_thread()
}

/// SECCOMP_SET_MODE_STRICT. EINVAL for a thread with filters.
pub fn set_strict() -> Result<(), Errno> {
    let mut rules = current().rules.lock();
    if !rules.filters.is_empty() {
        return Err(Errno::EINVAL);
    }
    rules.strict = true;
    GATE.restrict(&STRICT);
    Ok(())
}

/// Adds a filter to the running thread's, with `all` to those of every thread; but if a thread has
/// others than the running one, none is added, and that thread's id is returned.
pub fn add(filter: Filter, all: bool) -> Result<Option<u32>, Errno> {
    let mut rules = current().rules.lock().clone();
    if rules.strict {
        return Err(Errno::EINVAL);
    }
    // A child of vfork(2) is a process of one thread; its parent's are not its own.
    let is_child = shared::active();
    let all = all && !is_child;
    let before = rules.filters.clone();
    let follows = |thread: &Thread| {
        let theirs = thread.rules.lock();
        !theirs.strict && before.begin_with(&theirs.filters)
    };
    if all {
        let other = scheduler::fold(None, |found: Option<u32>, thread| {
            found.or_else(|| (!follows(thread)).then(|| thread.id()))
        });
        if other.is_some() {
            return Ok(other);
        }
    }
    rules.filters.add(filter)?;
    GATE.narrow(&rules.filters);
    if all || scheduler::count() == 1 && !is_child {
        scheduler::fold((), |(), thread| *thread.rules.lock() = rules.clone());
        tell(&rules.filters)?;
    } else {
        *current().rules.lock() = rules;
    }
    Ok(None)
}

/// Has the monitor judge by these as well.
fn tell(filters: &Filters) -> Result<(), Errno> {
    let mut told = TOLD.lock();
    let known = told.as_ref().map_or(0, Filters::len);
    let words = filters.to_words(known);
    let address = words.as_ptr() as u64 - PHYSICAL;
    let args = [address, words.len() as u64, 0, 0, 0];
    channel::result(channel::machine_call(machine::SECCOMP, args))?;
    *told = Some(filters.clone());
    Ok(())
}

/// The running thread's filters that the monitor does not know, for the program that takes its place.
pub fn untold() -> Vec<u64> {
    let known = TOLD.lock().as_ref().map_or(0, Filters::len);
    current().rules.lock().filters.to_words(known)
}

/// prctl(2), PR_GET_SECCOMP.
pub fn mode() -> u64 {
    let rules = current().rules.lock();
    match (rules.strict, rules.filters.is_empty()) {
        (true, _) => 1,
        (false, true) => 0,
        (false, false) => 2,
    }
}
