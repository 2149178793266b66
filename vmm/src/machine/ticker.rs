//! The ticker: a thread that kicks vCPUs now and then while the guest has more threads to run than
//! vCPUs, so that none keeps a vCPU to itself.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use pinion_abi::channel::Header;

use super::futex;
use super::server::Server;
use super::{signals, thread};

/// How long a thread keeps a vCPU while others wait for it.
const SLICE: Duration = Duration::from_millis(4);

/// How soon the first vCPU's thread is kicked again for a signal that the guest has not taken.
const SIGNALLED: Duration = Duration::from_millis(1);
/// The shortest sleep.
const SHORTEST: Duration = Duration::from_micros(100);

/// What [`Ticker::word`] says.
const OFF: u32 = 0;
const ON: u32 = 1;

/// Switches the ticks on and off.
#[derive(Default)]
pub struct Ticker {
    word: AtomicU32,
}

impl Ticker {
    /// As it is in a new process, whose ticker is not there yet.
    pub fn reset(&self) {
        self.word.store(OFF, Ordering::Relaxed);
    }

    pub fn set(&self, on: bool) {
        let now = if on { ON } else { OFF };
        if self.word.swap(now, Ordering::Relaxed) == OFF && on {
            futex::wake(&self.word);
        }
    }
}

/// Whether the guest's threads are preempted; no longer, when there is but one, and no signals are to be
/// released.
pub fn is_ticking(header: &Header) -> bool {
    if header.ticking.load(Ordering::Relaxed) == 0 {
        return false;
    }
    if is_wanted(header) {
        return true;
    }
    header.ticking.store(0, Ordering::SeqCst);
    let wanted = is_wanted(header);
    if wanted {
        header.ticking.store(1, Ordering::SeqCst);
    }
    wanted
}

fn is_wanted(header: &Header) -> bool {
    header.several.load(Ordering::SeqCst) != 0 || has_to_release(header)
}

/// Whether signals wait that the guest wants the host to hold back no more.
pub fn has_to_release(header: &Header) -> bool {
    header.held.load(Ordering::SeqCst) != header.holding.load(Ordering::Relaxed)
}

/// The word of this process's ticker, for [`wake`].
static WORD: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());

/// Switches the ticker on until the guest has taken its signals. For signal handlers.
pub fn wake() {
    let word = WORD.load(Ordering::Acquire);
    if !word.is_null() {
        // SAFETY: the word is the server's, which lives as long as the process.
        let word = unsafe { &*word };
        word.store(ON, Ordering::Relaxed);
        futex::wake(word);
    }
}

/// Starts the thread; it sleeps until it is switched on. Where none can be made (`pids.max`), a thread
/// of the guest keeps its vCPU until it waits for something.
pub fn spawn(server: &Arc<Server>) {
    WORD.store(
        (&raw const server.ticker.word).cast_mut(),
        Ordering::Release,
    );
    let server = Arc::clone(server);
    let _ = thread::spawn(64 << 10, move || run(&server));
}

fn run(server: &Server) -> ! {
    loop {
        let ticker = &server.ticker;
        while ticker.word.load(Ordering::Relaxed) == OFF {
            futex::wait(&ticker.word, OFF);
        }
        let header = server.header();
        // The guest may write anything there: the sleep is neither longer nor much shorter for it.
        let deadline = header.deadline.load(Ordering::Relaxed);
        let left = deadline.saturating_sub(monotonic());
        let soon = deadline != 0 && left < SLICE.as_nanos() as u64;
        let signals = signals::waiting(header);
        sleep(match (soon, signals) {
            (true, _) => Duration::from_nanos(left).max(SHORTEST),
            // A signal that came just before a call that blocks: the call must end.
            (_, true) => SIGNALLED,
            _ => SLICE,
        });
        let late = deadline != 0 && monotonic() >= deadline;
        let signals = signals::waiting(header);
        let ready = header.ready.load(Ordering::Relaxed) > 0;
        let vcpus = &server.vcpus;
        let release = has_to_release(header);
        let wanted = late || signals || ready || release || vcpus.is_kicked(header);
        if wanted && ticker.word.load(Ordering::Relaxed) == ON {
            vcpus.repeat(header);
            if signals || release {
                vcpus.interrupt(header, 0);
            }
            if ready {
                vcpus.share(header);
            } else if late {
                vcpus.wake_one(header);
            }
        } else if !signals && !is_ticking(header) {
            ticker.word.store(OFF, Ordering::SeqCst);
            if header.ticking.load(Ordering::SeqCst) != 0 {
                // The guest has just asked for it.
                ticker.word.store(ON, Ordering::Relaxed);
            }
        }
    }
}

pub(super) fn monotonic() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime(2) fills the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
