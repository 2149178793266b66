//! A machine whose guest is the test: memory, channel and service are real, but no vCPU runs.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use pinion_abi::channel::{state, Slot, DATA, HEADER_BYTES, SLOTS, SLOT_BYTES};
use pinion_abi::layout::physical;

use crate::calls::tests::contain;
use crate::calls::tests::guest::{proc_of_its_own, FLOOR};
use crate::calls::{Service, ServiceConfig};
use crate::kvm::Kvm;
use crate::machine::memory::{Memory, FIRST};
use crate::machine::requests::Machinery;
use crate::machine::server::Server;
use crate::machine::timeline::Timeline;

/// Where a contained test finds /dev/kvm, which it could not open.
const KVM: i32 = 950;
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

/// The monitor's side, as it is when the guest starts. `limit`: what its memory may grow to.
pub fn server(limit: u64) -> Server {
    // SAFETY: F_DUPFD_CLOEXEC takes numbers; the result is new.
    let kvm = unsafe {
        let fd = libc::fcntl(KVM, libc::F_DUPFD_CLOEXEC, FLOOR);
        assert!(fd >= 0, "no /dev/kvm");
        OwnedFd::from_raw_fd(fd)
    };
    let vm = Kvm::new(kvm, keep).unwrap().create_vm().unwrap();
    let memory = Memory::reserve(limit).unwrap();
    memory.grow(&vm, FIRST, FIRST).unwrap();
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
    })
    .unwrap();
    let machinery = Machinery {
        vm,
        executable: executable(),
        verbose: false,
        blocked: AtomicU64::new(0),
        timeline: Timeline::start(),
    };
    Server::new(memory, service, machinery)
}

/// What the guest can do to its channel.
pub struct Channel<'a>(pub &'a Server);

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
        self.0.header().direct.store(1, Ordering::Relaxed);
        assert!(self.0.serve_direct());
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

/// One line of /proc/self/maps.
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    pub name: String,
}

pub fn mappings() -> Vec<Mapping> {
    let text = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let line = |line: &str| {
        let (start, rest) = line.split_once('-').unwrap();
        let (end, rest) = rest.split_once(' ').unwrap();
        let name = rest.splitn(5, ' ').nth(4).unwrap_or("").trim_start();
        Mapping {
            start: number(start),
            end: number(end),
            name: name.to_owned(),
        }
    };
    text.lines().map(line).collect()
}

/// Asserts that the guest's memory is whole, and that no file that only a guest maps (a memfd,
/// one in /a) is anywhere else.
pub fn check_mappings(server: &Server) {
    let start = server.memory.boot_pages() as u64;
    let (mut at, end) = (start, start + server.memory.limit());
    for mapping in mappings() {
        if mapping.start <= at && at < mapping.end {
            at = mapping.end;
        }
        let guests = ["/memfd:", "/a/", "/anon_hugepage"];
        let guests = guests.iter().any(|name| mapping.name.starts_with(name));
        let inside = mapping.start >= start && mapping.end <= server.memory.reserved_end();
        let Mapping { start, end, name } = mapping;
        assert!(
            inside || !guests,
            "{start:x}-{end:x} {name}: not the guest's memory"
        );
    }
    assert!(
        at >= end,
        "the guest's memory has a hole at {:#x}",
        at - start
    );
}
