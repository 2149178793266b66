//! One thread: its kernel stack, and what it keeps while it does not run.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use alloc::boxed::Box;
use alloc::sync::Arc;

use pinion_abi::layout::{PAGE, PHYSICAL};
use pinion_abi::portrait::{ThreadEntry, THREADS};

use spin::Mutex;

use super::ids;
use crate::arch::per_cpu::variables;
use crate::arch::switch::{start_thread, Context, Extended};
use crate::arch::{self, Frame};
use crate::boot;
use crate::mm::memory;
use crate::mm::roll::Roll;
use crate::seccomp::Rules;
use crate::signals::info::Pending;

/// Pages of a thread's kernel stack.
const STACK_PAGES: usize = 8;

/// See [`Thread::vcpu`].
pub const NOWHERE: usize = usize::MAX;

/// The threads that the monitor tells of.
static TOLD: Mutex<Roll<ThreadEntry, THREADS>> = Mutex::new(Roll::new());

pub struct Thread {
    id: AtomicU32,
    /// The kernel stack's pages.
    stack: u64,
    pub(super) context: UnsafeCell<Context>,
    _extended: Box<Extended>,
    pub(super) fs_base: AtomicU64,
    pub(super) gs_base: AtomicU64,
    /// set_tid_address(2): cleared, and a waiter woken, when the thread ends.
    pub clear_child_tid: AtomicU64,
    /// set_robust_list(2).
    pub robust_list: AtomicU64,
    /// sigprocmask(2): the signals that it blocks.
    pub blocked_signals: AtomicU64,
    /// Signals sent to this thread alone that it has not taken yet.
    pub pending_signals: Pending,
    /// What it waits for although it blocks it (sigwaitinfo(2)).
    pub awaited_signals: AtomicU64,
    /// The mask that the next handler's return restores, if `restores` (sigsuspend(2)).
    pub restored_signals: AtomicU64,
    pub restores: AtomicBool,
    /// sigaltstack(2): ss_sp, ss_flags, ss_size.
    pub alternate_stack: Mutex<[u64; 3]>,
    /// prctl(2), PR_SET_NAME: up to its first zero byte.
    name: Mutex<[u8; 16]>,
    /// Its entry in [`TOLD`], and that entry's index.
    pub told: &'static ThreadEntry,
    index: u32,
    /// What it may call.
    pub rules: Mutex<Rules>,
    /// Whether a signal ended its last wait.
    pub(super) interrupted: AtomicBool,
    /// Whether it waits for [`super::scheduler::wake`].
    pub(super) blocked: AtomicBool,
    /// Whether a deadline ended its last wait.
    pub(super) timed_out: AtomicBool,
    /// The deadline under which it stands in the scheduler's list; 0: none.
    pub(super) deadline: AtomicU64,
    /// The vCPU whose flow of control it is; [`NOWHERE`]: none's.
    pub(super) vcpu: AtomicUsize,
}

// SAFETY: the context is only used by the scheduler, when it switches from or to the thread.
unsafe impl Send for Thread {}
// SAFETY: as above; the other fields are atomic or do not change.
unsafe impl Sync for Thread {}

impl Thread {
    /// The first thread, whose kernel stack the caller already stands on, or will.
    pub fn first(id: u32) -> Option<Arc<Thread>> {
        Thread::make(id, 0)
    }

    fn make(id: u32, fs_base: u64) -> Option<Arc<Thread>> {
        let stack = memory::allocate_pages(STACK_PAGES)?;
        let mut extended = Extended::current();
        let (index, told) = {
            let mut threads = TOLD.lock();
            let index = threads.take();
            let head = &boot::portrait().threads;
            head.store(threads.head(), Ordering::Relaxed);
            (index, threads.entry(index))
        };
        Some(Arc::new(Thread {
            id: AtomicU32::new(id),
            stack,
            context: UnsafeCell::new(Context {
                stack: 0,
                extended: &mut *extended,
            }),
            _extended: extended,
            fs_base: AtomicU64::new(fs_base),
            gs_base: AtomicU64::new(0),
            clear_child_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
            blocked_signals: AtomicU64::new(0),
            pending_signals: Pending::new(),
            awaited_signals: AtomicU64::new(0),
            restored_signals: AtomicU64::new(0),
            restores: AtomicBool::new(false),
            alternate_stack: Mutex::new([0, 2, 0]),
            name: Mutex::new([0; 16]),
            told,
            index,
            rules: Mutex::new(Rules::default()),
            interrupted: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            timed_out: AtomicBool::new(false),
            deadline: AtomicU64::new(0),
            vcpu: AtomicUsize::new(NOWHERE),
        }))
    }

    /// A thread that begins with these registers; it runs once it is made ready.
    pub fn new(frame: &Frame, fs_base: u64) -> Option<Arc<Thread>> {
        let thread = Thread::make(ids::next(), fs_base)?;
        thread.gs_base.store(arch::gs_base(), Ordering::Relaxed);
        let mask = current().blocked_signals.load(Ordering::Relaxed);
        thread.blocked_signals.store(mask, Ordering::Relaxed);
        thread.set_name(current().name());
        *thread.rules.lock() = current().rules.lock().clone();
        let at = thread.stack_top() - size_of::<Frame>() as u64;
        // SAFETY: the new stack is nobody else's; `start_thread` finds the frame right above the
        // return address, below which stand the six registers that `switch_context` takes.
        unsafe {
            (at as *mut Frame).write(*frame);
            ((at - 8) as *mut u64).write(start_thread as *const () as u64);
            (*thread.context.get()).stack = at - 8 - 6 * 8;
        }
        Some(thread)
    }

    /// What a vCPU runs when it has no other thread: it begins with this function.
    pub fn idle(start: extern "C" fn() -> !) -> Option<Arc<Thread>> {
        let thread = Thread::make(0, 0)?;
        // It never goes to the program, so no signal of the process is its to take.
        thread.blocked_signals.store(!0, Ordering::Relaxed);
        let at = thread.stack_top() - 16;
        // SAFETY: the new stack is nobody else's; the function finds it aligned as after a call.
        unsafe {
            (at as *mut u64).write(start as *const () as u64);
            (*thread.context.get()).stack = at - 6 * 8;
        }
        Some(thread)
    }

    /// gettid(2).
    pub fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    /// It is another process's only one from now on.
    pub(super) fn set_id(&self, id: u32) {
        self.id.store(id, Ordering::Relaxed);
        self.tell(id);
    }

    /// From now on the monitor tells of it under this id; 0: no longer.
    pub(super) fn tell(&self, id: u32) {
        let blocked = self.blocked_signals.load(Ordering::Relaxed);
        self.told.blocked.store(blocked, Ordering::Relaxed);
        self.told.id.store(id, Ordering::Release);
    }

    pub fn name(&self) -> [u8; 16] {
        *self.name.lock()
    }

    pub fn set_name(&self, name: [u8; 16]) {
        *self.name.lock() = name;
        for (word, bytes) in self.told.name.iter().zip(name.chunks_exact(8)) {
            let bytes = bytes.iter().rev();
            let value = bytes.fold(0, |word, byte| word << 8 | u64::from(*byte));
            word.store(value, Ordering::Relaxed);
        }
    }

    /// The kernel stack's end.
    pub fn stack_top(&self) -> u64 {
        PHYSICAL + self.stack + STACK_PAGES as u64 * PAGE
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        memory::free_pages(self.stack, STACK_PAGES);
        self.tell(0);
        TOLD.lock().give(self.index);
    }
}

/// The thread that runs.
pub fn current() -> &'static Thread {
    // SAFETY: the scheduler keeps the running thread alive and sets the variable at each switch;
    // the reference is not kept beyond the thread's end.
    unsafe { &*(*variables()).thread }
}
