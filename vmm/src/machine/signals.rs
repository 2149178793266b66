//! The guest's signal dispositions, mirrored on this process: the host itself then ignores,
//! kills, or leaves alone as Linux would, pid 1's immunity included.

use std::cell::Cell;
use std::io;
use std::mem::zeroed;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

use pinion_abi::calls::machine::{DISPOSITION_DEFAULT, DISPOSITION_HANDLE, DISPOSITION_IGNORE};
use pinion_abi::channel::{Header, CAUSED, INFO_WORDS, NOTES};
use pinion_abi::Errno;

use super::{kick, ticker};
use crate::calls::SETXID;

/// Where signals that the guest handles are noted: its channel.
static CHANNEL: AtomicPtr<Header> = AtomicPtr::new(null_mut());

/// The first vCPU's count of wakes: while it is idle it waits for that to change.
static WOKEN: AtomicPtr<AtomicU32> = AtomicPtr::new(null_mut());

/// From now on signals are noted there.
///
/// # Safety
/// Both stay mapped as long as the process lives.
pub unsafe fn note_in(header: *const Header, woken: *const AtomicU32) {
    WOKEN.store(woken.cast_mut(), Ordering::Release);
    CHANNEL.store(header.cast_mut(), Ordering::Release);
}

/// How many signals were noted.
static NOTED: AtomicU32 = AtomicU32::new(0);
/// Whether a thread is noting one: several threads can be interrupted at once.
static BUSY: AtomicBool = AtomicBool::new(false);
/// With so little room left the thread takes no more signals: the host keeps them in order.
const SPARE: u32 = 4;

/// The handler of every signal that is the guest's.
pub extern "C" fn note(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO a valid structure.
    let fault = unsafe { (*info).si_code } > 0;
    if fault && FAULTS.contains(&signal) {
        // This process itself has faulted: it repeats that when the handler returns, and dies.
        // SAFETY: signal(2) takes numbers.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    let header = CHANNEL.load(Ordering::Acquire);
    if header.is_null() {
        return;
    }
    // SAFETY: `note_in`'s contract; every field is atomic.
    let header = unsafe { &*header };
    while BUSY.swap(true, Ordering::Acquire) {
        std::thread::yield_now();
    }
    let room = add(header, signal, info);
    BUSY.store(false, Ordering::Release);
    let own = signal == libc::SIGPIPE || signal == libc::SIGXFSZ;
    if !room && !own {
        header.closed.store(1, Ordering::Release);
        // SAFETY: the third argument of such a handler is the ucontext_t of what it interrupted; its
        // mask, as the kernel has it, is 8 bytes.
        unsafe {
            let context = context.cast::<libc::ucontext_t>();
            let mask = (&raw mut (*context).uc_sigmask).cast::<u64>();
            mask.write(!0);
        }
    }
    header.vcpus[0].preempt.store(1, Ordering::Release);
    // SAFETY: as above; it was stored before the header.
    unsafe { (*WOKEN.load(Ordering::Acquire)).fetch_add(1, Ordering::Release) };
    kick::leave_soon();
    ticker::wake();
}

/// Notes a signal; returns whether there is room for more.
fn add(header: &Header, signal: i32, info: *mut libc::siginfo_t) -> bool {
    let noted = NOTED.load(Ordering::Relaxed);
    // What the guest says it took may be anything.
    let waiting = noted.wrapping_sub(header.taken.load(Ordering::Acquire));
    if waiting >= NOTES as u32 {
        header
            .overflow
            .fetch_or(1 << (signal - 1), Ordering::Release);
        return false;
    }
    let note = &header.notes[noted as usize % NOTES];
    for (at, word) in note.words.iter().enumerate() {
        // SAFETY: siginfo_t is longer than these words, and aligned to them.
        let value = unsafe { info.cast::<u32>().add(at).read_volatile() };
        word.store(value, Ordering::Relaxed);
    }
    let noted = noted.wrapping_add(1);
    NOTED.store(noted, Ordering::Relaxed);
    header.noted.store(noted, Ordering::Release);
    waiting + 1 + SPARE < NOTES as u32
}

/// Drops what the guest has not taken: it is a new process.
pub fn forget(header: &Header) {
    let noted = NOTED.load(Ordering::Relaxed);
    header.noted.store(noted, Ordering::Relaxed);
    header.taken.store(noted, Ordering::Relaxed);
    header.overflow.store(0, Ordering::Relaxed);
}

/// Whether the guest has signals to take. It may say anything.
pub fn waiting(header: &Header) -> bool {
    header.noted.load(Ordering::Relaxed) != header.taken.load(Ordering::Relaxed)
        || header.overflow.load(Ordering::Relaxed) != 0
}

/// Signals that the processor causes.
const FAULTS: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
];

fn checked(result: i32) -> Result<i64, Errno> {
    match result {
        -1 => Err(Errno(
            io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        )),
        value => Ok(i64::from(value)),
    }
}

pub fn set_disposition(signal: u64, disposition: u64) -> Result<i64, Errno> {
    let signal = i32::try_from(signal).map_err(|_| Errno::EINVAL)?;
    if !(1..=64).contains(&signal) {
        return Err(Errno::EINVAL);
    }
    let handler: libc::sighandler_t = match disposition {
        DISPOSITION_DEFAULT => libc::SIG_DFL,
        DISPOSITION_IGNORE => libc::SIG_IGN,
        DISPOSITION_HANDLE => note as *const () as libc::sighandler_t,
        _ => return Err(Errno::EINVAL),
    };
    // The C library keeps 32 and 33 for itself and refuses them.
    if signal == 32 || signal == 33 {
        return Ok(0);
    }
    // SAFETY: the structure is filled as sigaction(2) wants it; the handler makes one system call
    // at most and touches one atomic.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_SIGINFO;
        // One at a time: `note` is not to be interrupted by itself.
        libc::sigfillset(&mut action.sa_mask);
        checked(libc::sigaction(signal, &action, null_mut()))
    }
}

/// The set as the C library has it.
fn set(bits: u64) -> libc::sigset_t {
    // SAFETY: sigemptyset and sigaddset take a set that they may write.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&mut set);
        for signal in (1..=64).filter(|signal| bits >> (signal - 1) & 1 != 0) {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

/// This thread blocks these signals and no others.
pub fn block(bits: u64) -> Result<i64, Errno> {
    BLOCKED.set(Some(bits & CAUSED));
    // SAFETY: the set is initialised.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &set(bits), null_mut()) } {
        0 => Ok(0),
        error => Err(Errno(error)),
    }
}

/// A thread's mask, kept for [`Mask::restore`].
pub struct Mask(libc::sigset_t);

/// Blocks all signals for a while.
pub fn block_all() -> Mask {
    let mut old = set(0);
    // SAFETY: both sets are initialised. With such sets the call does not fail (sigprocmask(2)).
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &set(!0), &mut old) };
    Mask(old)
}

impl Mask {
    pub fn restore(self) {
        // SAFETY: as in `block_all`.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, null_mut()) };
    }
}

/// Signals that wait to be unblocked.
pub fn pending() -> u64 {
    // SAFETY: sigpending fills the set, sigismember reads it.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigpending(&mut set);
        (1..=64)
            .filter(|signal| libc::sigismember(&set, *signal) == 1)
            .fold(0, |bits, signal| bits | 1 << (signal - 1))
    }
}

/// rt_sigqueueinfo(2) to this process, of a siginfo_t's first words.
pub fn queue(signal: u64, words: &[u32; INFO_WORDS]) -> Result<i64, Errno> {
    if signal as i32 == SETXID {
        return Err(Errno::EINVAL);
    }
    let mut info = [0u32; size_of::<libc::siginfo_t>() / 4];
    info[..words.len()].copy_from_slice(words);
    // SAFETY: the call reads one siginfo_t; getpid(2) takes nothing.
    checked(unsafe {
        libc::syscall(
            libc::SYS_rt_sigqueueinfo,
            libc::getpid(),
            signal as libc::c_int,
            info.as_ptr(),
        ) as i32
    })
}

pub fn pause() -> Result<i64, Errno> {
    // SAFETY: pause(2) takes nothing.
    checked(unsafe { libc::pause() })
}

thread_local! {
    /// Which of [`CAUSED`] this thread blocks, once that is known.
    static BLOCKED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Other threads leave signals to the first vCPU's, but for those that its own writes cause.
pub fn block_for_helper() {
    // Should it fail, a signal is taken by this thread: dispositions are the process's.
    let _ = block(!CAUSED);
}

/// The calling thread makes a call for a thread of the guest that blocks these of [`CAUSED`].
pub fn block_caused(blocked: u64) {
    if BLOCKED.get() == Some(blocked) {
        return;
    }
    // SAFETY: both sets are initialised.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, &set(blocked), null_mut());
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set(CAUSED & !blocked), null_mut());
    }
    BLOCKED.set(Some(blocked));
}

/// Takes those that the call has caused, of the blocked ones.
pub fn take_caused(blocked: u64) -> u64 {
    let now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut taken = 0;
    // At the most once for each.
    for _ in 0..blocked.count_ones() {
        // SAFETY: the set is initialised; nothing is written where there is no place for it.
        let signal = unsafe { libc::sigtimedwait(&set(blocked & !taken), null_mut(), &now) };
        if signal <= 0 {
            break;
        }
        taken |= 1 << (signal - 1);
    }
    taken
}
