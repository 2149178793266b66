//! From the monitor's hand-over to the program's first instruction.

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering};

use alloc::string::String;

use pinion_abi::boot::{BootInfo, Counters, MAGIC};
use pinion_abi::layout::{physical, ImageHeader, FINGERPRINT, IMAGE_MAGIC, PER_CPU, PHYSICAL};
use pinion_abi::missing::Missing;
use pinion_abi::portrait::Portrait;

use crate::arch::switch::Extended;
use crate::arch::{self, entry, per_cpu, Frame};
use crate::channel;
use crate::loader;
use crate::mm::memory;
use crate::seccomp;
use crate::signals;
use crate::syscalls::process;
use crate::threads::{scheduler, Thread};
use crate::vcpus;

#[used]
#[link_section = ".header"]
static HEADER: Header = Header {
    magic: IMAGE_MAGIC,
    fingerprint: FINGERPRINT,
    entry: start,
    other_entry: vcpus::start_other,
    syscall: entry::syscall_stub,
    exception: entry::exception_entry,
    out_start: entry::out_start,
    out_end: entry::out_end,
};

/// [`ImageHeader`] with functions in place of their addresses.
#[repr(C)]
struct Header {
    magic: u64,
    fingerprint: u64,
    entry: extern "C" fn() -> !,
    other_entry: extern "C" fn() -> !,
    syscall: unsafe extern "C" fn(),
    exception: unsafe extern "C" fn(),
    out_start: unsafe extern "C" fn(),
    out_end: unsafe extern "C" fn(),
}

const _: () = assert!(size_of::<Header>() == size_of::<ImageHeader>());

/// What the monitor told.
pub fn info() -> &'static BootInfo {
    // SAFETY: the monitor filled the page before the first instruction; the kernel writes only the
    // atomics in it, and the cpuid answers and panic text through raw pointers.
    unsafe { &*((PHYSICAL + physical::BOOT_INFO) as *const BootInfo) }
}

pub fn counters() -> &'static Counters {
    &info().counters
}

/// What the program asked for in vain.
pub fn missing() -> &'static Missing {
    // SAFETY: the page is there for this; all fields are atomics.
    unsafe { &*((PHYSICAL + physical::MISSING) as *const Missing) }
}

/// What the monitor tells of the process in /proc.
pub fn portrait() -> &'static Portrait {
    // SAFETY: the page is there for this; all fields are atomics.
    unsafe { &*((PHYSICAL + physical::PORTRAIT) as *const Portrait) }
}

/// The strings of the program: its path, then the arguments, then the environment.
pub fn strings() -> &'static [u8] {
    let bytes = info().strings.bytes.min(physical::STRINGS_BYTES) as usize;
    // SAFETY: the monitor filled these pages before the first instruction; nobody writes them.
    unsafe { core::slice::from_raw_parts((PHYSICAL + physical::STRINGS) as *const u8, bytes) }
}

/// The first instruction: on the vCPU's fault stack, with nothing set up but the tables.
pub extern "C" fn start() -> ! {
    let info = info();
    if info.magic != MAGIC {
        // SAFETY: the monitor takes this as the end.
        unsafe { entry::out_panic() };
    }
    info.counters
        .started_at
        .store(arch::ticks(), Ordering::Relaxed);
    // SAFETY: the private area of this vCPU, used by nobody else; called once, first of all.
    unsafe {
        per_cpu::fill(
            PER_CPU,
            entry::exception_stubs as *const () as u64,
            entry::STUB_BYTES,
            vcpus::cpu(0),
        );
        memory::start(info.memory_bytes, info.memory_limit);
    }
    if !Extended::fits() {
        panic!(
            "the processor's extended state takes {} bytes",
            Extended::bytes()
        );
    }
    let Some(first) = Thread::first(info.process.pid) else {
        panic!("no memory for the first thread");
    };
    scheduler::start(first);
    signals::inherit(&info.process.inherited);
    process::inherit(&info.process);

    match loader::load() {
        Ok(frame) => {
            if info.verbose != 0 {
                boot_line();
            }
            seccomp::start();
            run(frame)
        }
        Err(error) => {
            channel::log(error.text());
            process::exit_with_signal(9)
        }
    }
}

/// The frame of the first thread: static, as the stack it was made on is given up.
static FIRST_FRAME: spin::Mutex<Frame> = spin::Mutex::new(Frame {
    r15: 0,
    r14: 0,
    r13: 0,
    r12: 0,
    rbp: 0,
    rbx: 0,
    r11: 0,
    r10: 0,
    r9: 0,
    r8: 0,
    rax: 0,
    rcx: 0,
    rdx: 0,
    rsi: 0,
    rdi: 0,
    original: 0,
    error: 0,
    rip: 0,
    cs: 0,
    flags: 0,
    rsp: 0,
    ss: 0,
});

fn run(frame: Frame) -> ! {
    let mut first = FIRST_FRAME.lock();
    *first = frame;
    let address: *const Frame = &*first;
    // SAFETY: the frame is a program's first state, and stays where it is: the lock is never
    // released.
    unsafe { entry::resume(address) }
}

fn boot_line() {
    let info = info();
    let mut line = String::new();
    let _ = write!(
        line,
        "pinion unikernel {}: ring 3, {} MiB of {} MiB, {} patched sites",
        env!("CARGO_PKG_VERSION"),
        info.memory_bytes >> 20,
        info.memory_limit >> 20,
        counters().sites.load(Ordering::Relaxed),
    );
    channel::log(&line);
}

/// A text for the monitor when the kernel cannot go on.
pub fn write_panic(text: core::fmt::Arguments) -> ! {
    struct Buffer {
        bytes: usize,
    }
    impl Write for Buffer {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            let info = (PHYSICAL + physical::BOOT_INFO) as *mut BootInfo;
            for byte in text.bytes() {
                if self.bytes < 256 {
                    // SAFETY: the index is below the field's length; the monitor reads the field
                    // only after the exit below.
                    unsafe { (&raw mut (*info).panic[self.bytes]).write(byte) };
                    self.bytes += 1;
                }
            }
            Ok(())
        }
    }
    let mut buffer = Buffer { bytes: 0 };
    let _ = buffer.write_fmt(text);
    let info = (PHYSICAL + physical::BOOT_INFO) as *mut BootInfo;
    // SAFETY: as above.
    unsafe {
        (&raw mut (*info).panic_bytes).write(buffer.bytes as u64);
        entry::out_panic()
    }
}

/// Adds to a counter.
pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
