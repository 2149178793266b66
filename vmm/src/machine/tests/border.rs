//! A machine whose guest is the test: memory, channel and service are real, but no vCPU runs.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pinion_abi::channel::{state, Slot, DATA, HEADER_BYTES, SLOTS, SLOT_BYTES};
use pinion_abi::layout::physical;
use pinion_abi::seccomp::Filters;

use crate::calls::tests::contain;
use crate::calls::tests::guest::{proc_of_its_own, FLOOR};
use crate::calls::{Service, ServiceConfig};
use crate::census::Census;
use crate::exit::ExitStatus;
use crate::kvm::Kvm;
use crate::machine::kick;
use crate::machine::memory::{Memory, FIRST};
use crate::machine::requests::Machinery;
use crate::machine::server::{Direct, Server};
use crate::machine::sites::{Sites, END as PROCESSES};
use crate::machine::timeline::Timeline;
use crate::machine::title::Title;
use crate::machine::MISSING_FILE_BYTES;

/// Where a contained test finds /dev/kvm, which it could not open.
const KVM: i32 = 950;
/// Where a child writes, its standard streams being its guest's.
const OUTPUT: i32 = 951;
/// Declares tests that run contained, with KVM at hand.
macro_rules! hostile {
    ($($(#[doc = $doc:literal])* fn $name:ident() $body:block)*) => {
        $(
            $(#[doc = $doc])*
            #[test]
            fn $name() {
                let path = concat!(module_path!(), "::", stringify!($name));
                super::border::run(path, || $body);
            }
        )*
    };
}
pub(super) use hostile;

/// Runs a test contained (see [`contain`]), with KVM at hand.
pub fn run(path: &str, test: impl FnOnce()) {
    if let Ok(kvm) = File::options().read(true).write(true).open("/dev/kvm") {
        // SAFETY: dup2(2) takes numbers. The copy has no close-on-exec flag: it is for the child.
        assert!(unsafe { libc::dup2(kvm.as_raw_fd(), KVM) } == KVM);
    }
    contain::run(path, test);
}

fn keep(fd: OwnedFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes numbers; the result is new.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FLOOR) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: as above.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}

/// The monitor's side, as it is when the guest starts; the calling thread is the vCPU's. `limit`:
/// what the guest's memory may grow to.
pub fn server(limit: u64) -> Arc<Server> {
    // SAFETY: F_DUPFD_CLOEXEC takes numbers; the result is new.
    let kvm = unsafe {
        let fd = libc::fcntl(KVM, libc::F_DUPFD_CLOEXEC, FLOOR);
        assert!(fd >= 0, "no /dev/kvm");
        OwnedFd::from_raw_fd(fd)
    };
    let vm = Kvm::new(kvm, keep).unwrap().create_vm().unwrap();
    let memory = Memory::reserve(limit).unwrap();
    memory.grow(&vm, FIRST, FIRST).unwrap();
    // A guest before may have given its program to another user, whose files in a sticky directory
    // nobody else may open for creation (sysctl fs.protected_regular).
    let _ = std::fs::remove_file("/program");
    std::fs::write("/program", vec![0x0f; 3 << 20]).unwrap();
    let executable = || keep(File::open("/program").unwrap().into()).unwrap();
    let service = Service::new(ServiceConfig {
        private_floor: FLOOR,
        nofile: (256, 256),
        proc: proc_of_its_own(),
        executable: executable(),
        executable_path: c"/program".to_owned(),
        arguments: vec![c"program".to_owned()],
        environment: Vec::new(),
        filters: Filters::default(),
    })
    .unwrap();
    std::fs::write("/sites", []).unwrap();
    let sites = File::options().read(true).write(true).open("/sites");
    let sites = sites.unwrap();
    sites.set_len(MISSING_FILE_BYTES).unwrap();
    let machinery = Machinery {
        sites: Sites::map(sites.as_fd()),
        census: Census::map(sites.as_fd(), PROCESSES),
        vm: vm.into(),
        executable: executable(),
        verbose: false,
        blocked: AtomicU64::new(0),
        title: Title::default(),
        timeline: Timeline::start(),
    };

    kick::prepare().unwrap();
    Arc::new(Server::new(memory, service, machinery))
}

/// What the guest can do to its channel.
pub struct Channel<'a>(pub &'a Arc<Server>);

impl Channel<'_> {
    /// The channel's bytes, header and slots.
    pub fn bytes(&self) -> *mut u8 {
        let base = self.0.memory.boot_pages();
        base.wrapping_add(physical::CHANNEL as usize)
    }

    pub fn slot(&self, index: usize) -> (&Slot, *mut u8) {
        let at = HEADER_BYTES as usize + index % SLOTS * SLOT_BYTES;
        let at = self.bytes().wrapping_add(at);
        // SAFETY: the slot lies in mapped memory; its fields are atomics.
        (unsafe { &*at.cast::<Slot>() }, at)
    }

    /// Writes into a slot's data, as far as they reach.
    pub fn write(&self, slot: usize, offset: usize, bytes: &[u8]) {
        let at = self.slot(slot).1.wrapping_add(offset);
        for (index, byte) in bytes.iter().enumerate().take(SLOT_BYTES - offset) {
            // SAFETY: inside the slot; others may write it, too, so it is a volatile store.
            unsafe { at.wrapping_add(index).write_volatile(*byte) };
        }
    }

    pub fn fill(&self, slot: usize, number: u32, args: &[u64]) {
        let (slot, _) = self.slot(slot);
        slot.number.store(number, Ordering::Relaxed);
        for (to, from) in slot.args.iter().zip(args) {
            to.store(*from, Ordering::Relaxed);
        }
        slot.state.store(state::SUBMITTED, Ordering::Release);
    }

    /// Makes one request as the vCPU's own thread serves it.
    pub fn ask(&self, number: u32, args: &[u64]) -> i64 {
        self.fill(0, number, args);
        self.0.header().vcpus[0].direct.store(1, Ordering::Relaxed);
        assert_eq!(self.0.serve_direct(0), Direct::Served);
        let slot = self.slot(0).0;
        assert_eq!(slot.state.load(Ordering::Relaxed), state::DONE);
        slot.result.load(Ordering::Relaxed)
    }

    /// A call with one string, then numbers.
    pub fn ask_path(&self, number: i64, path: &str, numbers: &[u64]) -> i64 {
        self.write(0, DATA, &[path.as_bytes(), &[0]].concat());
        self.ask(number as u32, &[&[DATA as u64], numbers].concat())
    }
}

/// This process's /proc/self/maps, wherever its root and its rights go.
pub struct Maps(File);

impl Maps {
    pub fn open() -> Maps {
        let maps = File::open("/proc/self/maps").unwrap();
        Maps(keep(maps.into()).unwrap().into())
    }

    /// Asserts that the guest's memory is whole, and that no file that only a guest maps (a
    /// memfd, one in /a) is anywhere else.
    pub fn check(&self, server: &Server) {
        let mut text = String::new();
        (&self.0).seek(SeekFrom::Start(0)).unwrap();
        (&self.0).read_to_string(&mut text).unwrap();
        let start = server.memory.boot_pages() as u64;
        let (mut whole, end) = (start, start + server.memory.limit());
        for line in text.lines() {
            let (from, to, name) = mapping(line);
            if from <= whole && whole < to {
                whole = to;
            }
            let inside = from >= start && to <= server.memory.reserved_end();
            let guests = ["/memfd:", "/a/", "/anon_hugepage"];
            let guests = guests.iter().any(|guests| name.starts_with(guests));
            assert!(inside || !guests, "not the guest's memory: {line}");
        }
        let hole = whole - start;
        assert!(whole >= end, "a hole in the guest's memory at {hole:#x}");
    }
}

/// Start, end and name of a line.
fn mapping(line: &str) -> (u64, u64, &str) {
    let number = |text| u64::from_str_radix(text, 16).unwrap();
    let (start, rest) = line.split_once('-').unwrap();
    let (end, rest) = rest.split_once(' ').unwrap();
    let name = rest.splitn(5, ' ').nth(4).unwrap_or("").trim_start();
    (number(start), number(end), name)
}

/// How a child of the test ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The test's part returned.
    Whole,
    /// By the guest: EXIT, or a signal that is no crash.
    Guest,
    /// Of a panic, or a signal that is a crash.
    Crashed(i32),
    /// Not in time, and no thread was busy with what must not block.
    Waits,
    /// Not in time, and one was: what /proc/PID/task/TID/syscall says of its threads.
    Hangs(String),
}

/// What a child writes for the test to read.
#[repr(C)]
pub struct Shared {
    /// For two threads: not 0 while they do what must not block.
    pub busy: [AtomicU64; 2],
    pub count: AtomicU64,
}

pub struct Child {
    pub ended: Ended,
    pub count: u64,
}

/// After this time a child that is not busy waits for something that will not come.
const PATIENCE: Duration = Duration::from_millis(700);

fn calls_of(child: i32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{child}/task")).unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("syscall")).ok())
        .collect()
}

/// Runs a part of a test in a child, which may be busy as long as `time`.
pub fn in_child(time: Duration, part: impl FnOnce(&Shared)) -> Child {
    const WHOLE: i32 = 77;
    let start = Instant::now();
    // SAFETY: a new page, into which the structure fits.
    let shared: &Shared = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let page = libc::mmap(std::ptr::null_mut(), 4096, access, flags, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        &*page.cast()
    };
    let busy = || {
        shared
            .busy
            .iter()
            .any(|word| word.load(Ordering::Relaxed) != 0)
    };
    std::panic::set_hook(Box::new(|panic| {
        let text = format!("{panic}\n");
        // SAFETY: writes a text where no guest finds it, and ends the process.
        unsafe {
            libc::write(OUTPUT, text.as_ptr().cast(), text.len());
            libc::signal(libc::SIGABRT, libc::SIG_DFL);
            libc::abort();
        }
    }));
    // SAFETY: this process has one thread that runs; the child ends by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the child's own descriptors: its guest gets none but these three.
        unsafe {
            assert_eq!(libc::dup2(2, OUTPUT), OUTPUT);
            for fd in 0..3 {
                libc::dup2(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR), fd);
            }
            libc::syscall(libc::SYS_close_range, 3, FLOOR - 1, 0);
        }
        part(shared);
        // SAFETY: ends the process.
        unsafe { libc::_exit(WHOLE) };
    }
    let mut late = None;
    let mut status = 0;
    // SAFETY: waits for the child made above, and ends it.
    unsafe {
        while libc::waitpid(child, &mut status, libc::WNOHANG) == 0 {
            let patience = if busy() { time } else { PATIENCE };
            if start.elapsed() > patience && late.is_none() {
                late = Some(if busy() {
                    Ended::Hangs(calls_of(child))
                } else {
                    Ended::Waits
                });
                libc::kill(child, libc::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let _ = std::panic::take_hook();
    let ended = match (late, ExitStatus::from_wait(status)) {
        (Some(late), _) => late,
        (None, ExitStatus::Code(code)) if i32::from(code) == WHOLE => Ended::Whole,
        (
            None,
            ExitStatus::Signal(
                signal @ (libc::SIGABRT
                | libc::SIGSEGV
                | libc::SIGBUS
                | libc::SIGILL
                | libc::SIGFPE
                | libc::SIGTRAP
                | libc::SIGSYS),
            ),
        ) => Ended::Crashed(signal),
        _ => Ended::Guest,
    };
    let count = shared.count.load(Ordering::Relaxed);
    Child { ended, count }
}
