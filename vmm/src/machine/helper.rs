//! The helper: a thread that polls the channel while the guest is busy with it, so that a request
//! costs the guest no exit. It sleeps as soon as requests become rare.

use std::sync::atomic::{fence, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::futex;
use super::posted::SOON;
use super::server::Server;
use super::{signals, thread};

/// How long the helper polls without a request before it sleeps.
const PATIENCE: Duration = Duration::from_micros(60);
/// Turns of the polling loop between looks at the clock.
const TURNS: u32 = 64;
/// Exits for requests that follow each other this closely wake the helper.
pub const BUSY: Duration = Duration::from_micros(300);

/// What the helper does.
const ABSENT: u32 = 0;
const SLEEPS: u32 = 1;
/// It sleeps, but for looking now and then whether calls were posted.
const WATCHES: u32 = 2;
const POLLS: u32 = 3;

/// Starts the helper, polling: a program's start is a burst of requests. Where no thread can be made
/// (`pids.max`), the guest leaves for each request.
pub fn spawn(server: &Arc<Server>) {
    server.helper.store(POLLS, Ordering::Relaxed);
    server.header().polled.store(1, Ordering::Relaxed);
    let own = Arc::clone(server);
    if thread::spawn(128 << 10, move || run(&own)).is_err() {
        server.helper.store(ABSENT, Ordering::Relaxed);
        server.header().polled.store(0, Ordering::Relaxed);
    }
}

pub fn is_there(server: &Server) -> bool {
    server.helper.load(Ordering::Relaxed) != ABSENT
}

fn run(server: &Server) {
    let mut blocked = server.machinery.blocked.load(Ordering::Relaxed);
    signals::block_for_helper(blocked);
    loop {
        poll(server, &mut blocked);
        server.header().polled.store(0, Ordering::Relaxed);
        server.helper.store(WATCHES, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // A request that came while the flag fell is served; the guest then leaves for others.
        while server.drain() > 0 {}
        sleep(server);
        server.header().polled.store(1, Ordering::Relaxed);
    }
}

/// Sleeps until the helper shall poll.
fn sleep(server: &Server) {
    loop {
        match server.helper.load(Ordering::Acquire) {
            SLEEPS => futex::wait(&server.helper, SLEEPS),
            WATCHES => {
                futex::wait_for(&server.helper, WATCHES, SOON);
                let made = server.make_posted() > 0;
                if made || server.posted.watched.swap(false, Ordering::SeqCst) {
                    continue;
                }
                change(server, &[WATCHES], SLEEPS);
                // What came before is not told again.
                if server.posted.watched.load(Ordering::SeqCst) {
                    change(server, &[SLEEPS], WATCHES);
                }
            }
            _ => return,
        }
    }
}

/// Serves requests until none comes for a while.
fn poll(server: &Server, blocked: &mut u64) {
    let mut last = Instant::now();
    loop {
        for _ in 0..TURNS {
            if server.has_request() || server.has_posted() {
                let now = server.machinery.blocked.load(Ordering::Relaxed);
                if now != *blocked {
                    *blocked = now;
                    signals::block_for_helper(now);
                }
                server.make_posted();
                server.drain();
                last = Instant::now();
            }
            std::hint::spin_loop();
        }
        if last.elapsed() > PATIENCE {
            return;
        }
    }
}

fn change(server: &Server, from: &[u32], to: u32) -> bool {
    let wanted = |now| from.contains(&now).then_some(to);
    let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
    server.helper.fetch_update(set, get, wanted).is_ok()
}

/// Has the helper poll again.
pub fn wake(server: &Server) {
    if change(server, &[SLEEPS, WATCHES], POLLS) {
        futex::wake(&server.helper);
    }
}

/// Has the helper look now and then whether calls were posted, if it sleeps.
pub fn watch(server: &Server) {
    if change(server, &[SLEEPS], WATCHES) {
        futex::wake(&server.helper);
    }
}
