//! The vCPUs: one kernel lock, held by the vCPU that is in the kernel, and how the others are kept
//! out of the program while what it runs on changes.
//!
//! The first vCPU runs alone until threads wait for another, and takes no lock until then. A vCPU
//! says when it is in the program; it says so with the lock held, and that it has left without. So who
//! has the lock and sees that another is not in the program knows that it stays out until the lock is
//! free. All mappings that a vCPU may have translated are forgotten when it takes the lock after
//! somebody changed them, before it touches the program's memory.

use core::arch::asm;
use core::hint::spin_loop;
use core::ptr::write_bytes;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use pinion_abi::layout::{physical, MAX_VCPUS, PAGE, PER_CPU, PHYSICAL};

use crate::arch::per_cpu::{self, variables, Variables};
use crate::arch::{self, entry};
use crate::boot;
use crate::channel;
use crate::mm::table::{self, Pages};
use crate::threads::scheduler;

/// Turns of a waiting loop (some 20 ns each) before the vCPU leaves the guest for a moment: who is
/// waited for may have no core.
const PATIENCE: u32 = 1000;
/// Turns until a vCPU that is in the program is kicked: it may be on its way out.
const SHORT: u32 = 50;

#[repr(align(64))]
struct Vcpu {
    /// Not 0: it runs the program, or is about to.
    in_program: AtomicU32,
    /// The value of [`CHANGES`] that its translations are as young as.
    seen: AtomicU32,
}

static VCPUS: [Vcpu; MAX_VCPUS] = [const {
    Vcpu {
        in_program: AtomicU32::new(0),
        seen: AtomicU32::new(0),
    }
}; MAX_VCPUS];

/// The kernel's lock, once there is more than one vCPU.
static LOCK: AtomicU32 = AtomicU32::new(0);
/// How many vCPUs share the program and the kernel.
static COUNT: AtomicUsize = AtomicUsize::new(1);
/// How many were started: more, while one has all to itself.
static STARTED: AtomicUsize = AtomicUsize::new(1);
/// How many there may be; 0: as many as the monitor says.
static LIMIT: AtomicUsize = AtomicUsize::new(0);
/// Changes of mappings and of text so far.
static CHANGES: AtomicU32 = AtomicU32::new(0);

/// How many vCPUs run.
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Whether there is but one.
pub fn alone() -> bool {
    count() == 1
}

/// Which vCPU this is.
pub fn index() -> usize {
    // SAFETY: this vCPU's own variables; the index is written before the vCPU starts.
    unsafe { (*variables()).index as usize }
}

fn here() -> &'static Vcpu {
    &VCPUS[index() % MAX_VCPUS]
}

/// The vCPU has come from the program: takes the lock. The program's memory may be touched from here on.
#[inline]
pub fn enter() {
    if !alone() {
        here().in_program.store(0, Ordering::Release);
        lock();
    }
}

/// The vCPU goes back to the program.
#[inline]
pub fn leave() {
    if !alone() {
        here().in_program.store(1, Ordering::Relaxed);
        unlock();
    }
}

/// Lets others into the kernel meanwhile: `wait` touches neither its structures nor the program's memory.
pub fn unlocked<T>(wait: impl FnOnce() -> T) -> T {
    if alone() {
        return wait();
    }
    unlock();
    let value = wait();
    lock();
    value
}

fn unlock() {
    LOCK.store(0, Ordering::Release);
}

fn lock() {
    let mut turns = 0;
    while LOCK.swap(1, Ordering::Acquire) != 0 {
        while LOCK.load(Ordering::Relaxed) != 0 {
            pause(&mut turns);
        }
    }
    let changes = CHANGES.load(Ordering::Relaxed);
    if here().seen.swap(changes, Ordering::Relaxed) != changes {
        arch::flush_own();
    }
}

/// One turn of a waiting loop.
fn pause(turns: &mut u32) {
    spin_loop();
    *turns += 1;
    if *turns % PATIENCE == 0 {
        // SAFETY: leaving for the monitor changes no register.
        unsafe { entry::out_serve() };
    }
}

/// The others are out of the program for as long as the lock is held, and go back by a serialising
/// instruction (Intel SDM 3A, 9.1.3).
pub fn stop_others() {
    if alone() {
        return;
    }
    let changes = CHANGES.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    here().seen.store(changes, Ordering::Relaxed);
    wait_for_others();
}

/// Every other vCPU has entered the kernel since this was called, or was there.
pub fn wait_for_others() {
    let own = index();
    let others = VCPUS[..count()].iter().enumerate();
    for (index, other) in others.filter(|(index, _)| *index != own) {
        let mut turns = 0;
        while other.in_program.load(Ordering::Acquire) != 0 {
            pause(&mut turns);
            // A kick that comes on the way to the program is not seen there.
            if turns % PATIENCE == SHORT {
                channel::wake(1 << index);
            }
        }
    }
}

/// Whether a vCPU has all to itself.
static HAS_ALL: AtomicBool = AtomicBool::new(false);

/// This vCPU has the program and the kernel to itself from now on, in the program too: it keeps the
/// lock until [`give_back`].
pub fn take_all() {
    stop_others();
    COUNT.store(1, Ordering::Relaxed);
    HAS_ALL.store(true, Ordering::Relaxed);
}

pub fn give_back() {
    HAS_ALL.store(false, Ordering::Relaxed);
    COUNT.store(STARTED.load(Ordering::Relaxed), Ordering::Relaxed);
    // What changed meanwhile.
    stop_others();
}

pub fn has_all() -> bool {
    HAS_ALL.load(Ordering::Relaxed)
}

/// Tables of another vCPU, of which all pages are zero.
struct OwnTables {
    next: u64,
}

impl Pages for OwnTables {
    fn at(&self, physical: u64) -> *mut u64 {
        (PHYSICAL + physical) as *mut u64
    }

    fn allocate(&mut self) -> Option<u64> {
        self.next += PAGE;
        Some(self.next)
    }
}

/// Fills the tables of a vCPU: the first one's, but for its private pages.
fn fill_tables(vcpu: usize) -> Option<()> {
    let (first, root) = (physical::root(0), physical::root(vcpu));
    // SAFETY: the pages are reserved for this vCPU, which does not run; the first one's table is read.
    unsafe {
        let bytes = physical::OTHER_TABLES * PAGE;
        write_bytes((PHYSICAL + root) as *mut u8, 0, bytes as usize);
        for index in (0..512).filter(|index| *index != per_cpu_entry()) {
            let entry = ((PHYSICAL + first) as *const u64)
                .add(index)
                .read_volatile();
            ((PHYSICAL + root) as *mut u64).add(index).write(entry);
        }
    }
    let mut tables = OwnTables { next: root };
    for page in 0..physical::PER_CPU_BYTES / PAGE {
        let at = page * PAGE;
        let leaf = table::make(&mut tables, root, PER_CPU + at, PAGE)?;
        leaf.set((physical::area(vcpu) + at) | table::KERNEL_DATA);
    }
    Some(())
}

/// The top-level entry of private pages.
fn per_cpu_entry() -> usize {
    (PER_CPU >> 39) as usize
}

/// A new top-level entry is every vCPU's.
pub fn share_entry(index: usize, value: u64) {
    for vcpu in 1..STARTED.load(Ordering::Relaxed) {
        let root = (PHYSICAL + physical::root(vcpu)) as *mut u64;
        // SAFETY: the entry lies in that vCPU's top-level table, which only the kernel writes, under
        // its lock.
        unsafe { root.add(index).write_volatile(value) };
    }
}

/// Whether there may be another vCPU.
pub fn can_start() -> bool {
    let limit = match LIMIT.load(Ordering::Relaxed) {
        0 => boot::info().vcpus as usize,
        limit => limit,
    };
    !has_all() && count() < limit.min(MAX_VCPUS)
}

/// Starts another vCPU, if the monitor can.
pub fn start_another() {
    let vcpu = count();
    if fill_tables(vcpu).is_none() || !scheduler::make_idle(vcpu) {
        LIMIT.store(vcpu, Ordering::Relaxed);
        return;
    }
    let area = PHYSICAL + physical::area(vcpu);
    // SAFETY: the pages are reserved for this vCPU, which does not run.
    unsafe {
        let stubs = entry::exception_stubs as *const () as u64;
        per_cpu::fill(area, stubs, entry::STUB_BYTES, cpu(vcpu));
        let variables = area as *mut Variables;
        (*variables).index = vcpu as u64;
        scheduler::idle_on(vcpu, variables);
    }
    let changes = CHANGES.load(Ordering::Relaxed);
    VCPUS[vcpu].seen.store(changes, Ordering::Relaxed);
    VCPUS[vcpu].in_program.store(0, Ordering::Relaxed);
    if vcpu == 1 {
        // From here on there is a lock, and this vCPU has it.
        here().in_program.store(0, Ordering::Relaxed);
        here().seen.store(changes, Ordering::Relaxed);
        LOCK.store(1, Ordering::Relaxed);
    }
    COUNT.store(vcpu + 1, Ordering::Relaxed);
    STARTED.store(vcpu + 1, Ordering::Relaxed);
    if channel::start_vcpu(vcpu).is_err() {
        COUNT.store(vcpu, Ordering::Relaxed);
        STARTED.store(vcpu, Ordering::Relaxed);
        LIMIT.store(vcpu, Ordering::Relaxed);
    }
}

/// There is only this vCPU, the first one: the process is a new one.
pub fn forget_others() {
    COUNT.store(1, Ordering::Relaxed);
    STARTED.store(1, Ordering::Relaxed);
    HAS_ALL.store(false, Ordering::Relaxed);
    LOCK.store(0, Ordering::Relaxed);
}

/// The host's number of the CPU that a vCPU stands for.
pub fn cpu(vcpu: usize) -> u32 {
    boot::info().cpus[vcpu % MAX_VCPUS]
}

/// The first instruction of a vCPU other than the first: on its fault stack.
pub extern "C" fn start_other() -> ! {
    lock();
    // SAFETY: the idle thread's stack is this vCPU's until it switches to another thread; the function
    // does not return.
    unsafe {
        asm!(
            "mov rsp, {stack}",
            "call {idle}",
            "ud2",
            stack = in(reg) (*variables()).kernel_rsp,
            idle = sym scheduler::idle_loop,
            options(noreturn)
        )
    }
}
