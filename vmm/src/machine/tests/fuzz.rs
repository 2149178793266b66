//! Arbitrary bytes in the channel: in its header, its ring and its slots, while two threads serve it
//! and a third changes them. The monitor neither crashes, nor hangs, nor maps or loses anything
//! outside of the guest's memory.
//!
//! `PINION_FUZZ_SECONDS` says how long (default 5); `PINION_FUZZ_SEED` repeats a run as far as
//! threads can be repeated.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pinion_abi::calls::machine::*;
use pinion_abi::channel::{Header, APART, CHANNEL_BYTES, DATA, HEADER_BYTES, SLOTS};
use pinion_abi::layout::{physical, GRANULE, PAGE};

use super::border::{hostile, in_child, server, Channel, Ended, Maps};
use crate::calls::tests::fuzz::{is_excluded, limit, prepare, seconds, Fuzzer, Random};
use crate::calls::tests::guest::FLOOR;
use crate::machine::memory::FIRST;
use crate::machine::server::{Direct, Server};
use crate::machine::ticker;

/// How long one guest lives.
const BATCH: Duration = Duration::from_millis(300);
/// As long may a request take that must not block.
const QUICK: Duration = Duration::from_secs(5);
const LIMIT: u64 = 2 * FIRST;

const MACHINE: &[u32] = &[
    GROW,
    POPULATE,
    DISCARD,
    MAP_FILE,
    LOG,
    LARGE,
    DISPOSITION,
    BLOCK,
    PENDING,
    PAUSE,
    SET_NOFILE,
    REMOVE,
    CLOCK_GETTIME,
    CLOCK_GETRES,
    SYNC,
    UNMAP_FILE,
    FIND_CPUID,
    IDLE,
    PREEMPT,
];
/// Where something begins or ends in the guest's memory.
const PLACES: &[u64] = &[
    0,
    PAGE,
    physical::BOOT_INFO,
    physical::PER_CPU,
    physical::CHANNEL,
    physical::CHANNEL + HEADER_BYTES,
    physical::CHANNEL + CHANNEL_BYTES,
    physical::KERNEL_IMAGE,
    physical::BOOT_END - PAGE,
    physical::BOOT_END,
    FIRST - GRANULE,
    FIRST - PAGE,
    FIRST,
    LIMIT - PAGE,
    LIMIT,
    LIMIT + GRANULE,
    1 << 30,
    u64::MAX - PAGE + 1,
];

fn place(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => *random.pick(PLACES),
        1 => random.pick(PLACES).wrapping_add(random.next() % 0x4000),
        _ => physical::BOOT_END + random.below(7000) * PAGE,
    }
}

fn length(random: &mut Random) -> u64 {
    match random.below(8) {
        0 => *random.pick(PLACES),
        1 => random.next() >> random.below(64),
        2 => GRANULE * random.below(20),
        _ => PAGE * random.below(40),
    }
}

/// A request to the machine; its numbers are right in kind, mostly.
fn machine(fuzzer: &mut Fuzzer) -> (u32, [u64; 6]) {
    // The end of the guest is the end of the batch.
    if fuzzer.random.one_in(20_000) {
        return (EXIT, [0; 6]);
    }
    let number = *fuzzer.random.pick(MACHINE);
    let random = &mut fuzzer.random;
    let mut args = [0; 6].map(|_| random.below(70));
    let (at, bytes) = (place(random), length(random));
    let flags = random.below(8);
    match number {
        GROW => args = [length(random), at, 0, 0, 0, 0],
        POPULATE | DISCARD | LARGE | SYNC | UNMAP_FILE => args[..2].copy_from_slice(&[at, bytes]),
        MAP_FILE => args[1..5].copy_from_slice(&[PAGE * random.below(9), at, bytes, flags]),
        FIND_CPUID => args[1..5].copy_from_slice(&[at, bytes, DATA as u64, flags]),
        LOG => args[..2].copy_from_slice(&[random.below(30_000), bytes]),
        CLOCK_GETTIME | CLOCK_GETRES => args[1] = random.below(30_000),
        // Most guests leave the signal be that ends their waits.
        DISPOSITION => args[..2].copy_from_slice(&[15 + random.below(50), random.below(4)]),
        _ => {}
    }
    if random.one_in(10) {
        args[fuzzer.random.below(6) as usize] = fuzzer.number();
    }
    (number, args)
}

/// Fills a slot: mostly with a request, at times with anything.
fn fill(channel: &Channel, slot: usize, random: Random) -> Random {
    let mut fuzzer = Fuzzer {
        write: &|at, bytes| channel.write(slot, at, bytes),
        random,
        data: DATA,
    };
    let (number, args) = if fuzzer.random.one_in(2) {
        machine(&mut fuzzer)
    } else {
        let request = fuzzer.request();
        (request.number, request.args)
    };
    // What kills by a signal would look as if the monitor had died of itself.
    if number != EXIT_SIGNAL && !is_excluded(number) {
        channel.fill(slot, number, &args);
    }
    fuzzer.random
}

/// The guest's other thread: it changes what the monitor may be reading.
fn scribble(channel: &Channel, header: &Header, random: &mut Random) {
    match random.below(7) {
        0 => header.tail.store(random.next() as u32, Ordering::Relaxed),
        1 => header.ring[random.below(SLOTS as u64) as usize]
            .store(random.next() as u32, Ordering::Relaxed),
        2 => header.vcpus[0]
            .direct
            .store(random.next() as u32, Ordering::Relaxed),
        // Most guests leave the signal be that ends their waits.
        4 => {
            let held = random.next() & random.next() & !(1 << (libc::SIGALRM - 1));
            header.held.store(held, Ordering::Relaxed);
        }
        // Arguments, then data; the number stays one that does not kill.
        3 => {
            let (slot, _) = channel.slot(random.below(SLOTS as u64) as usize);
            let arg = &slot.args[random.below(6) as usize];
            let bits = 1 << random.below(64);
            arg.fetch_xor(bits, Ordering::Relaxed);
        }
        _ => {
            let bytes = random.next().to_ne_bytes();
            let at = DATA + random.below(20_000) as usize;
            channel.write(random.below(SLOTS as u64) as usize, at, &bytes);
        }
    }
}

/// Milliseconds since this process began a call that may not block; 0: it is in none.
struct Clock<'a>(&'a AtomicU64, Instant);

impl Clock<'_> {
    fn drain(&self, server: &Server) -> u64 {
        let now = self.1.elapsed().as_millis() as u64 + 1;
        self.0.store(now, Ordering::Relaxed);
        let served = server.drain();
        self.0.store(0, Ordering::Relaxed);
        served as u64
    }
}

/// One guest, to its end.
fn batch(seed: u64, begun: &[AtomicU64; 2], served: &AtomicU64) {
    let start = Instant::now();
    let server = server(LIMIT);
    let maps = Maps::open();
    let channel = Channel(&server);
    let stop = AtomicBool::new(false);
    let stopped = || stop.load(Ordering::Relaxed) || start.elapsed() > BATCH;
    limit();
    ticker::spawn(&server);
    // SAFETY: numbers only.
    let open = |fd: &i32| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0;
    let own = || (FLOOR..900).filter(open).count();
    let before = own();
    thread::scope(|scope| {
        let (server, channel) = (&server, &channel);
        scope.spawn(|| {
            let clock = Clock(&begun[0], start);
            while !stopped() {
                served.fetch_add(clock.drain(server), Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            let mut random = Random(seed ^ 0x5555_5555);
            while !stopped() {
                scribble(channel, server.header(), &mut random);
                std::hint::spin_loop();
            }
        });
        let mut random = Random(seed);
        let clock = Clock(&begun[1], start);
        while !stopped() {
            let slot = random.below(SLOTS as u64) as usize;
            random = fill(channel, slot, random);
            let header = server.header();
            let tail = header.tail.load(Ordering::Relaxed);
            header.ring[tail as usize % SLOTS].store(slot as u32, Ordering::Relaxed);
            header.tail.store(tail.wrapping_add(1), Ordering::Release);
            if random.one_in(3) {
                let apart = if random.one_in(2) { APART } else { 0 };
                let direct = (slot as u32 + 1) | apart;
                header.vcpus[0].direct.store(direct, Ordering::Relaxed);
            }
            let direct = match server.serve_direct(0) {
                Direct::None => 0,
                Direct::Served => 1,
                // The vCPU's loop would do it, and answer.
                Direct::Fork(index)
                | Direct::Vfork(index)
                | Direct::Start(index)
                | Direct::Exec(index, ..) => {
                    server.answer(index, 0);
                    1
                }
            };
            served.fetch_add(direct + clock.drain(server), Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
    });
    maps.check(&server);
    // Workers may still be resolving names.
    let end = Instant::now() + Duration::from_millis(200);
    // The list of mounts is open from when it is first asked for.
    let most = before + 1;
    while own() > most && Instant::now() < end {
        thread::yield_now();
    }
    assert!(own() <= most, "descriptors of the monitor");
}

hostile! {
    fn no_bytes_in_the_channel_harm_the_monitor() {
        let seed = std::env::var("PINION_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
        let time = std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64 | 1);
        let mut random = Random(seed.unwrap_or(time));
        let end = Instant::now() + Duration::from_secs(seconds());
        let (mut whole, mut waited, mut ended, mut served) = (0, 0, 0, 0);
        while Instant::now() < end {
            let seed = if whole + waited + ended == 0 { random.0 } else { random.next() | 1 };
            prepare().unwrap();
            println!("PINION_FUZZ_SEED={seed}");
            let child = in_child(QUICK, |shared| batch(seed, &shared.busy, &shared.count));
            served += child.count;
            match child.ended {
                Ended::Whole => whole += 1,
                // It was in a call that may block, which is the guest's own wish.
                Ended::Waits => waited += 1,
                // By a request, or a signal of its making.
                Ended::Guest => ended += 1,
                other => panic!("PINION_FUZZ_SEED={seed}: {other:?}"),
            }
        }
        println!("{served} requests: {whole} guests lived, {ended} ended themselves, {waited} waited for ever");
        assert!(whole > 0 && served > 1000);
    }
}
