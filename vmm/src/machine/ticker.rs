//! The ticker: a thread that kicks the vCPU now and then while the guest has more than one thread to
//! run, so that none keeps the vCPU to itself.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::futex;
use super::server::Server;
use super::signals;

/// How long a thread keeps the vCPU while others wait for it.
const SLICE: Duration = Duration::from_millis(4);

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
    pub fn set(&self, on: bool) {
        let now = if on { ON } else { OFF };
        if self.word.swap(now, Ordering::Relaxed) == OFF && on {
            futex::wake(&self.word);
        }
    }
}

/// Starts the thread; it sleeps until it is switched on. Where none can be made (`pids.max`), a thread
/// of the guest keeps the vCPU until it waits for something.
pub fn spawn(server: &Arc<Server>) {
    let server = Arc::clone(server);
    let body = move || {
        // Should it fail, a signal is taken by this thread: dispositions are the process's.
        let _ = signals::block(!0);
        run(&server)
    };
    let _ = thread::Builder::new().stack_size(64 << 10).spawn(body);
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
        thread::sleep(if soon {
            Duration::from_nanos(left).max(SHORTEST)
        } else {
            SLICE
        });
        let late = deadline != 0 && monotonic() >= deadline;
        let wanted = late || header.ready.load(Ordering::Relaxed) > 0;
        if wanted && ticker.word.load(Ordering::Relaxed) == ON {
            server.preempt();
        }
    }
}

fn monotonic() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime(2) fills the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
