//! The helper: a thread that polls the channel while the guest is busy with it, so that a request
//! costs the guest no exit. It sleeps as soon as requests become rare.

use std::sync::atomic::{fence, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pinion_abi::streams::WATCHED_NS;

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

/// The helper's own thread was not running if so much lies between two turns: others want its core.
const LOST: Duration = Duration::from_micros(200);
/// How long it then leaves the core to them: twice as long each time that it loses it again, at the most the
/// second.
const LEAVE: [Duration; 2] = [Duration::from_millis(4), Duration::from_millis(256)];

/// How often the helper looks whether calls were posted until it no longer does: for a little longer than
/// the guest's kernel counts on.
const WATCH: u32 = WATCHED_NS.div_ceil(SOON.as_nanos() as u64) as u32 + 1;

/// What the helper does.
const ABSENT: u32 = 0;
const SLEEPS: u32 = 1;
/// It sleeps, but for looking now and then whether calls were posted.
const WATCHES: u32 = 2;
const POLLS: u32 = 3;

/// Starts the helper, polling if a core is free: a program's start is a burst of requests. Where no thread can be
/// made (`pids.max`), the guest leaves for each request.
pub fn spawn(server: &Arc<Server>) {
    let polls = server.crowded.is_over();
    let does = if polls { POLLS } else { SLEEPS };
    server.helper.store(does, Ordering::Relaxed);
    server
        .header()
        .polled
        .store(polls.into(), Ordering::Relaxed);
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
    signals::block_for_helper();
    let mut leave = LEAVE[0];
    loop {
        sleep(server);
        server.header().polled.store(1, Ordering::Relaxed);
        match poll(server) {
            None => {
                server.crowded.until(leave);
                leave = LEAVE[1].min(leave * 2);
            }
            Some(polled) if polled > leave => leave = LEAVE[0],
            Some(_) => {}
        }
        server.header().polled.store(0, Ordering::Relaxed);
        server.helper.store(WATCHES, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // A request that came while the flag fell is served; the guest then leaves for others.
        while server.drain() > 0 {}
    }
}

/// Sleeps until the helper shall poll.
fn sleep(server: &Server) {
    let mut quiet = 0;
    loop {
        match server.helper.load(Ordering::Acquire) {
            SLEEPS => futex::wait(&server.helper, SLEEPS),
            WATCHES => {
                futex::wait_for(&server.helper, WATCHES, SOON);
                let made = server.make_posted() > 0;
                let busy = made || server.posted.watched.swap(false, Ordering::SeqCst);
                quiet = if busy { 0 } else { quiet + 1 };
                if quiet < WATCH {
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

/// Serves requests until none comes for a while. Returns for how long; `None`: it lost its core.
fn poll(server: &Server) -> Option<Duration> {
    let start = Instant::now();
    let (mut last, mut turn) = (start, start);
    loop {
        for _ in 0..TURNS {
            if server.has_request() || server.has_posted() {
                server.make_posted();
                server.drain();
                last = Instant::now();
                turn = last;
            }
            std::hint::spin_loop();
        }
        let now = Instant::now();
        if now.duration_since(turn) > LOST {
            return None;
        }
        if now.duration_since(last) > PATIENCE {
            return Some(now.duration_since(start));
        }
        turn = now;
    }
}

fn change(server: &Server, from: &[u32], to: u32) -> bool {
    let wanted = |now| from.contains(&now).then_some(to);
    let (set, get) = (Ordering::SeqCst, Ordering::SeqCst);
    server.helper.fetch_update(set, get, wanted).is_ok()
}

/// Has the helper poll again.
pub fn wake(server: &Server) {
    if server.crowded.is_over() && change(server, &[SLEEPS, WATCHES], POLLS) {
        futex::wake(&server.helper);
    }
}

/// Has the helper look now and then whether calls were posted, if it sleeps.
pub fn watch(server: &Server) {
    if change(server, &[SLEEPS], WATCHES) {
        futex::wake(&server.helper);
    }
}
