//! Arbitrary requests of a hostile guest: the service neither crashes, nor hangs, nor touches memory
//! outside of the guest's, nor loses its own descriptors.
//!
//! `PINION_FUZZ_SECONDS` says how long (default 5); `PINION_FUZZ_SEED` repeats a run.

use std::time::{Duration, Instant};

use pinion_abi::calls::{self, Arg, CALLS};
use pinion_abi::channel::{segments, Request, DATA, SLOT_BYTES};

use super::contain::contained;
use super::guest::{Guest, FLOOR, MEMORY_BASE, MEMORY_BYTES};
use crate::calls::Answer;

/// xorshift64*: a sequence that a seed repeats.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

const PATHS: &[&str] = &[
    "/",
    ".",
    "..",
    "",
    "/a/f",
    "/a/g",
    "/a/d",
    "/a/d/x",
    "/a/l",
    "/b",
    "f",
    "d/",
    "/a/fifo",
    "/tmp/s",
    "/proc/self/mem",
    "/proc/self/fd/0",
    "/proc/self/fd/513",
    "/dev/fd/1",
    "/proc/self/exe",
    "/proc/self/maps",
    "/proc/self/root/a",
    "/proc/self/cwd",
    "/proc/thread-self/stat",
    "/proc/1/environ",
    "/proc/self/task",
    "/dev/null",
    "/dev/zero",
    "/proc/self",
    "/proc",
    "/proc/meminfo",
    "/a/l/../f",
    "/proc/self/fdinfo/1",
    "user.x",
    "/proc/self/ns/net",
    "/proc/self/cmdline",
    "/dev/stdin",
    "/a/s",
    "/proc/self/cwd/s",
    "\0abstract",
];
const EDGES: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    8,
    127,
    128,
    129,
    4095,
    4096,
    16384,
    16385,
    24575,
    24576,
    24577,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX,
    u64::MAX - 1,
    u64::MAX - 99,
    1 << 32,
    1 << 63,
    512,
    513,
    514,
];

/// Not to be called: they would end the test itself, or make it slow (sync waits for the host's
/// disks).
const EXCLUDED: &[&str] = &[
    "kill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "mq_notify",
    "sync",
    "syncfs",
];

pub(crate) struct Fuzzer<'a> {
    /// Writes into the data of the request's slot.
    pub write: &'a dyn Fn(usize, &[u8]),
    pub random: Random,
    /// Where the next data go in the slot.
    pub data: usize,
}

impl Fuzzer<'_> {
    pub fn number(&mut self) -> u64 {
        match self.random.below(4) {
            0 => *self.random.pick(EDGES),
            1 => 1 << self.random.below(64),
            2 => self.random.next(),
            _ => self.random.below(64),
        }
    }

    /// Puts bytes into the slot: their offset.
    fn put(&mut self, bytes: &[u8]) -> u64 {
        if self.data + bytes.len() > SLOT_BYTES {
            self.data = DATA;
        }
        let at = self.data;
        (self.write)(at, &bytes[..bytes.len().min(SLOT_BYTES - at)]);
        self.data += bytes.len();
        at as u64
    }

    fn bytes(&mut self, length: usize) -> u64 {
        let fill = [0, 0xff, self.random.next() as u8][self.random.below(3) as usize];
        let mut bytes = vec![fill; length.min(SLOT_BYTES - DATA)];
        for _ in 0..self.random.below(9) {
            if let Some(at) = self.random.next().checked_rem(bytes.len() as u64) {
                bytes[at as usize] = self.random.below(40) as u8;
            }
        }
        self.put(&bytes)
    }

    fn segments(&mut self) -> u64 {
        let count = self.random.below(4);
        let mut list = Vec::new();
        for _ in 0..count {
            let inside = MEMORY_BASE + self.random.below(MEMORY_BYTES as u64);
            let address = if self.random.one_in(6) {
                self.number()
            } else {
                inside
            };
            let bytes = if self.random.one_in(6) {
                self.number()
            } else {
                self.random.below(9000)
            };
            list.extend([address.to_ne_bytes(), bytes.to_ne_bytes()].concat());
        }
        let count = if self.random.one_in(20) {
            self.number()
        } else {
            count
        };
        segments(self.put(&list) as u32, count as u32)
    }

    fn address(&mut self) -> u64 {
        let path = self.random.pick(PATHS);
        let family = [1u16, 1, 2, 10, 16, 17][self.random.below(6) as usize];
        let mut bytes = family.to_ne_bytes().to_vec();
        match family {
            1 => bytes.extend_from_slice(path.as_bytes()),
            _ => bytes.extend_from_slice(&[0, 9, 127, 0, 0, 1]),
        }
        bytes.resize(128, 0);
        self.put(&bytes)
    }

    /// A value behind its length.
    fn sized(&mut self) -> u64 {
        let length = match self.random.one_in(4) {
            true => self.number() as u32,
            false => self.random.below(64) as u32,
        };
        let bytes = [&length.to_ne_bytes()[..], &[0; 4], &[1; 600]].concat();
        self.put(&bytes)
    }

    /// A message whose ancillary data name descriptors.
    fn header(&mut self) -> u64 {
        let name = self.address();
        let descriptors = self.random.below(9);
        let length = match self.random.one_in(6) {
            true => self.number(),
            false => 16 + 4 * descriptors,
        };
        let mut control = length.to_ne_bytes().to_vec();
        let kind = [1u64, 1, 2, 4][self.random.below(4) as usize];
        control.extend_from_slice(&(kind << 32 | 1).to_ne_bytes());
        for _ in 0..descriptors {
            control.extend_from_slice(&(self.random.below(30) as u32).to_ne_bytes());
        }
        control.resize(64, 0);
        let control = self.put(&control);
        let data = self.segments();
        let mut words = [
            name,
            self.random.below(40),
            control,
            self.random.below(80),
            data & 0xffff_ffff,
            data >> 32,
            0,
            0,
        ];
        if self.random.one_in(6) {
            words[self.random.below(8) as usize] = self.number();
        }
        let bytes = words.map(|word| (word as u32).to_ne_bytes()).concat();
        self.put(&bytes)
    }

    /// An argument that is right in kind, mostly.
    fn argument(&mut self, kind: Arg, args: &[u64; 6]) -> u64 {
        if self.random.one_in(12) {
            return self.number();
        }
        match kind {
            Arg::Int => self.number(),
            Arg::Fd | Arg::DirFd if self.random.one_in(4) => -100i64 as u64,
            Arg::Fd | Arg::DirFd => self.random.below(24),
            Arg::Path => {
                let path = self.random.pick(PATHS);
                self.put(&[path.as_bytes(), &[0]].concat())
            }
            Arg::In(bytes) | Arg::Out(bytes) | Arg::InOut(bytes) => self.bytes(bytes as usize),
            Arg::InLen(_) | Arg::OutLen(_) | Arg::InMessage(_) | Arg::OutMessage(_) => {
                self.bytes(600)
            }
            Arg::FileHandle => self.bytes(136),
            Arg::Family => *self.random.pick(&[1, 2, 10, 16, 17, 38, 40, 21, 44]),
            Arg::Address(_) => self.address(),
            Arg::AddressOut(_) => self.bytes(140),
            Arg::Option | Arg::OptionOut | Arg::Interfaces => self.sized(),
            Arg::HeaderIn | Arg::HeaderOut => self.header(),
            Arg::Ahead | Arg::Again | Arg::State => self.bytes(4000),
            Arg::Shmctl | Arg::Semctl | Arg::Msgctl => self.bytes(120),
            Arg::InOutItems(..) | Arg::OutItems(..) | Arg::InItems(..) => self.bytes(300),
            Arg::BufferIn(_) | Arg::BufferOut(_) | Arg::VectorIn(_) | Arg::VectorOut(_) => {
                self.segments()
            }
            Arg::Ioctl => match calls::ioctl(args[1] as u32) {
                Some(kind) => self.argument(kind, args),
                None => self.number(),
            },
            Arg::Fcntl => match calls::fcntl(args[1] as u32) {
                Some(kind) => self.argument(kind, args),
                None => self.number(),
            },
        }
    }

    pub fn request(&mut self) -> Request {
        let call = self.random.pick(CALLS);
        let mut args = [0; 6];
        let Some((_, kinds)) = call.host() else {
            return Request {
                number: self.number() as u32,
                args,
            };
        };
        for (index, kind) in kinds.iter().enumerate() {
            args[index] = self.argument(*kind, &args);
        }
        if matches!(call.name, "setsockopt" | "getsockopt") {
            args[1] = *self.random.pick(&[0, 1, 6, 17, 41, 58, 255, 263, 270, 282]);
            args[2] = self.random.below(84);
            args[4] = self.random.below(200);
        }
        if call.name == "socket" || call.name == "socketpair" {
            args[1] = 1 + self.random.below(5);
            args[2] = self.random.below(3);
        }
        if matches!(call.name, "fcntl" | "ioctl") {
            args[1] = match call.name {
                "fcntl" => *self
                    .random
                    .pick(&[0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1033]),
                _ if self.random.one_in(2) => 0x8900 + self.random.below(0x60),
                _ => 0x5400 + self.random.below(0x60),
            };
            args[2] = self.argument(kinds[2], &args);
        }
        Request {
            number: call.number,
            args,
        }
    }
}

pub(crate) fn is_excluded(number: u32) -> bool {
    calls::find(number.into()).is_some_and(|call| EXCLUDED.contains(&call.name))
}

extern "C" fn interrupt(_: i32) {}

/// A signal each few milliseconds ends every wait; limits keep what is written small.
pub(crate) fn limit() {
    // SAFETY: valid structures; the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = interrupt as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()),
            0
        );
        // A guest may ask for any signal about a descriptor (F_SETSIG): that is its own end, no finding.
        let faults = [
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGSEGV,
            libc::SIGSYS,
        ];
        let kept = [libc::SIGALRM, libc::SIGCHLD];
        for signal in 1..=64 {
            if !faults.contains(&signal) && !kept.contains(&signal) {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
        let (process, thread) = (libc::getpid(), libc::syscall(libc::SYS_gettid));
        std::thread::spawn(move || loop {
            std::thread::sleep(Duration::from_millis(3));
            libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGALRM);
        });
        let limit = libc::rlimit {
            rlim_cur: 1 << 20,
            rlim_max: 1 << 20,
        };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

pub(crate) fn seconds() -> u64 {
    std::env::var("PINION_FUZZ_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5)
}

/// Serves a hostile guest, in a process whose end says how it went.
fn batch(seed: u64) -> (u64, u64) {
    let guest = Guest::new();
    limit();
    let mut fuzzer = Fuzzer {
        write: &|at, bytes| guest.slot.write(at, bytes),
        random: Random(seed),
        data: DATA,
    };
    let (mut count, mut done) = (0, 0);
    while count < BATCH {
        let request = fuzzer.request();
        if is_excluded(request.number) {
            continue;
        }
        let may_block = fuzzer.random.one_in(3);
        let begun = Instant::now();
        let slot = guest.slot();
        let answer = guest
            .service
            .serve(&guest.memory, &slot, request, may_block);
        let took = begun.elapsed();
        let quick = may_block || took < Duration::from_secs(2);
        assert!(quick, "{request:x?} took {took:?}");
        count += 1;
        done += u64::from(matches!(answer, Answer::Result(0..)));
        // SAFETY: numbers only.
        let open = |fd: &i32| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0;
        if count % 256 == 0 {
            let own = (FLOOR..900).filter(open).count();
            // The list of mounts is open from when it is first asked for.
            assert!(
                (2..=3).contains(&own),
                "{own} descriptors, after {request:x?}"
            );
        }
    }
    (count, done)
}

const BATCH: u64 = 5000;

/// Files as they are before each batch, whatever the last one made of them.
pub(crate) fn prepare() -> std::io::Result<()> {
    for dir in ["/a", "/b", "/tmp"] {
        let _ = std::fs::remove_file(dir);
        let _ = std::fs::remove_dir_all(dir);
        std::fs::create_dir(dir)?;
    }
    std::fs::create_dir("/a/d")?;
    std::fs::write("/a/f", [7; 5000])?;
    std::os::unix::fs::symlink("d", "/a/l")
}

contained! {
    fn no_request_harms_the_monitor() {
        // The test's own output, where no request finds it.
        // SAFETY: numbers only.
        let out = unsafe { [libc::dup2(1, 900), libc::dup2(2, 901)] };
        for fd in [0, 1, 2] {
            // SAFETY: replaces the standard streams by /dev/null.
            unsafe { libc::dup2(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR), fd) };
        }
        let say = move |text: String| {
            // SAFETY: writes a text.
            unsafe { libc::write(out[1], text.as_ptr().cast(), text.len()) };
        };
        std::panic::set_hook(Box::new(move |panic| {
            say(format!("{panic}\n"));
            // SAFETY: ends the process.
            unsafe { libc::_exit(101) };
        }));
        let seed = std::env::var("PINION_FUZZ_SEED").ok().and_then(|text| text.parse().ok());
        let time = std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64 | 1);
        let mut random = Random(seed.unwrap_or(time));
        let end = Instant::now() + Duration::from_secs(seconds());
        let mut batches = 0;
        while Instant::now() < end {
            let seed = if batches == 0 { random.0 } else { random.next() | 1 };
            prepare().unwrap();
            // SAFETY: this process has one thread that runs, and the child ends by _exit.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let (count, done) = batch(seed);
                assert!(done > count / 50, "{count} requests, {done} done");
                // SAFETY: ends the process.
                unsafe { libc::_exit(0) };
            }
            let mut status = 0;
            // SAFETY: waits for the child made above.
            unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!(status, 0, "PINION_FUZZ_SEED={seed} ended so");
            batches += 1;
        }
        // SAFETY: numbers only.
        unsafe { libc::dup2(out[0], 1) };
        say(format!("{} requests\n", batches * BATCH));
    }
}
