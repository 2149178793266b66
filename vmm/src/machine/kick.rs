//! Gets a vCPU's thread out of KVM_RUN: by a signal whose handler only has the next run end at
//! once.

use std::arch::global_asm;
use std::cell::Cell;
use std::io;
use std::ptr::null_mut;
use std::thread::yield_now;

use pinion_abi::channel::TIMER;

use super::signals;

/// The C library keeps this number for itself and hides it from programs, so a guest has no use for
/// it; the monitor itself cancels no threads.
const KICK: libc::c_int = TIMER;

/// asm-generic/siginfo.h: a timer has expired.
const SI_TIMER: libc::c_int = -2;

/// What sigaction(2) is told of a handler.
type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

thread_local! {
    /// The `immediate_exit` of the vCPU that this thread runs: a kick that comes just before KVM_RUN
    /// must not be lost.
    static IMMEDIATE_EXIT: Cell<*mut u8> = const { Cell::new(null_mut()) };
    /// Whether a kick came since [`forget`].
    static CAME: Cell<bool> = const { Cell::new(false) };
}

extern "C" fn note(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO a valid structure.
    if unsafe { (*info).si_code } == SI_TIMER {
        return signals::note(signal, info, context);
    }
    CAME.set(true);
    leave_soon();
}

/// Has the next run of this thread's vCPU end at once. For signal handlers, too.
pub fn leave_soon() {
    let flag = IMMEDIATE_EXIT.get();
    if !flag.is_null() {
        // SAFETY: the pointer is that of a vCPU's shared page, which stays mapped as long as the
        // thread runs that vCPU.
        unsafe { flag.write_volatile(1) };
    }
}

/// Waits from here on for the next kick.
pub fn forget() {
    CAME.set(false);
}

/// Waits for a kick that is on its way; not for ever, as who kicks may be ended before it does.
pub fn wait() {
    const TURNS: usize = 10_000;
    for _ in 0..TURNS {
        if CAME.get() {
            return;
        }
        yield_now();
    }
}

// The C library's sigaction(3) refuses the number, so the system call is made as it does: with a
// restorer (sigreturn(2)).
global_asm!(
    ".global pinion_restore_signal",
    "pinion_restore_signal:",
    "mov eax, 15",
    "syscall",
);

extern "C" {
    fn pinion_restore_signal();
}

/// The kernel's struct sigaction (asm/signal.h).
#[repr(C)]
struct Action {
    handler: Handler,
    flags: u64,
    restorer: unsafe extern "C" fn(),
    mask: u64,
}

/// This thread runs the vCPU with that `immediate_exit` from now on.
pub fn aim(immediate_exit: *mut u8) {
    IMMEDIATE_EXIT.set(immediate_exit);
}

/// Installs the handler.
pub fn prepare() -> io::Result<()> {
    const SA_RESTORER: u64 = 0x0400_0000;
    let action = Action {
        handler: note,
        flags: SA_RESTORER | libc::SA_SIGINFO as u64,
        restorer: pinion_restore_signal,
        // One at a time: `signals::note` is not to be interrupted by itself.
        mask: !0,
    };
    let action: *const Action = &action;
    let old = null_mut::<Action>();
    // SAFETY: the structure is the kernel's; the handler is made to interrupt any instruction.
    match unsafe { libc::syscall(libc::SYS_rt_sigaction, KICK, action, old, 8) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A thread of this process, as the target of kicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    process: libc::pid_t,
    thread: libc::pid_t,
}

impl Target {
    /// The calling thread.
    pub fn this_thread() -> Target {
        // SAFETY: both calls take nothing.
        let (process, thread) = unsafe { (libc::getpid(), libc::syscall(libc::SYS_gettid)) };
        Target {
            process,
            thread: thread as libc::pid_t,
        }
    }

    pub fn new(process: libc::pid_t, thread: libc::pid_t) -> Target {
        Target { process, thread }
    }

    pub fn process(&self) -> libc::pid_t {
        self.process
    }

    pub fn thread(&self) -> libc::pid_t {
        self.thread
    }

    pub fn kick(&self) {
        // SAFETY: the call takes numbers. An error means that the thread has ended.
        unsafe { libc::syscall(libc::SYS_tgkill, self.process, self.thread, KICK) };
    }
}
