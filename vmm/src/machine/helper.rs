//! The helper: a thread that polls the channel while the guest is busy with it, so that a request
//! costs the guest no exit. It sleeps as soon as requests become rare.

use std::sync::atomic::{fence, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::futex;
use super::server::Server;
use super::{signals, thread};

/// How long the helper polls without a request before it sleeps.
const PATIENCE: Duration = Duration::from_micros(60);
/// Turns of the polling loop between looks at the clock.
const TURNS: u32 = 64;
/// Exits for requests that follow each other this closely wake the helper.
pub const BUSY: Duration = Duration::from_micros(300);

/// Starts the helper, polling: a program's start is a burst of requests. Where no thread can be made
/// (`pids.max`), the guest leaves for each request.
pub fn spawn(server: &Arc<Server>) {
    server.awake.store(1, Ordering::Relaxed);
    server.header().polled.store(1, Ordering::Relaxed);
    let own = Arc::clone(server);
    if thread::spawn(128 << 10, move || run(&own)).is_err() {
        server.header().polled.store(0, Ordering::Relaxed);
    }
}

fn run(server: &Server) {
    let mut blocked = server.machinery.blocked.load(Ordering::Relaxed);
    signals::block_for_helper(blocked);
    loop {
        poll(server, &mut blocked);
        server.header().polled.store(0, Ordering::Relaxed);
        server.awake.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // A request that came while the flag fell is served; the guest then leaves for others.
        while server.drain() > 0 {}
        while server.awake.load(Ordering::Acquire) == 0 {
            futex::wait(&server.awake, 0);
        }
        server.header().polled.store(1, Ordering::Relaxed);
    }
}

/// Serves requests until none comes for a while.
fn poll(server: &Server, blocked: &mut u64) {
    let mut last = Instant::now();
    loop {
        for _ in 0..TURNS {
            if server.has_request() {
                let now = server.machinery.blocked.load(Ordering::Relaxed);
                if now != *blocked {
                    *blocked = now;
                    signals::block_for_helper(now);
                }
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

/// Has the helper poll again.
pub fn wake(server: &Server) {
    if server.awake.swap(1, Ordering::Release) == 0 {
        futex::wake(&server.awake);
    }
}
