//! vfork(2) of the guest: a child of this process that shares its memory (CLONE_VM) and runs its vCPU,
//! while the vCPU's thread here waits until the child has executed a program or ended (CLONE_VFORK).
//!
//! What is a process's own in the host is the child's from its first step: descriptors, credentials,
//! dispositions. The rest it shares, so here is what must not mix: the service (its own, from a
//! copy), and what it allocates, which is given up as a whole when it is gone ([`crate::heap`]). Its
//! signals wait until it executes a program: a handler would note them for the parent.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::null_mut;
use std::sync::atomic::Ordering;

use pinion_abi::Errno;

use super::fork::FORK;
use super::requests::last_errno;
use super::{report, server, signals, Runner};
use crate::exit::{end_as, ExitStatus};
use crate::heap;
use crate::kvm::KvmError;

/// Bytes of the child's stack. Pages that it does not touch cost nothing.
const STACK: usize = 512 << 10;

/// What the two processes tell each other: they never run at once.
#[derive(Default)]
pub(super) struct Child {
    /// Whether this is the child.
    active: bool,
    /// The slot that the child was asked to serve, until it has answered.
    serving: Option<usize>,
    stack: Option<Stack>,
}

impl Child {
    pub fn active(&self) -> bool {
        self.active
    }

    pub fn serving(&mut self, slot: Option<usize>) {
        self.serving = slot;
    }
}

/// The end of a child's stack; it is kept for the next one.
#[derive(Clone, Copy)]
struct Stack(*mut c_void);

// SAFETY: the memory is the runner's, whichever thread that is.
unsafe impl Send for Stack {}

impl Stack {
    fn new() -> Result<Stack, Errno> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: a new mapping, at an address that the host chooses.
        let start = unsafe { libc::mmap(null_mut(), STACK, protection, flags, -1, 0) };
        match start {
            libc::MAP_FAILED => Err(last_errno()),
            start => Ok(Stack(start.wrapping_byte_add(STACK))),
        }
    }
}

impl Runner {
    /// Comes back when the child is gone. Its slot is answered with 0 in the child, or with an error.
    pub(super) fn vfork(&mut self, slot: usize) -> Result<(), KvmError> {
        self.vcpu.settle()?;
        match self.clone(slot) {
            Ok(pid) => self.go_on(pid),
            Err(errno) => {
                self.server.answer(slot, errno.as_result());
                Ok(())
            }
        }
    }

    fn clone(&mut self, slot: usize) -> Result<libc::pid_t, Errno> {
        if self.child.active || self.index != 0 {
            return Err(Errno::ENOSYS);
        }
        if !self.server.service().may_make(&FORK) {
            return Err(Errno::EPERM);
        }
        self.server.service().prepare_fork()?;
        let stack = match self.child.stack {
            Some(stack) => stack,
            None => *self.child.stack.insert(Stack::new()?),
        };
        let borrowed = heap::borrow().ok_or(Errno::ENOMEM)?;
        // Never dropped: its descriptors are the child's, its memory goes with the borrowed heap.
        let service = ManuallyDrop::new(self.server.service().of_child()?);
        let credentials = service.seen();
        self.server.reserve()?;
        let mask = signals::block_all();
        self.child.active = true;
        self.child.serving = Some(slot);
        let itself: *mut Runner = self;
        // SAFETY: the stack is the child's alone. The child runs while this thread waits, so it has
        // the runner, this thread's locals and the service to itself; they outlive it. No lock is
        // held here, and the child lets go of those it takes, unless it is killed: see `go_on`.
        let pid = unsafe {
            server::serve_by(&service, || {
                let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
                libc::clone(run, stack.0, flags, itself.cast())
            })
        };
        let error = io::Error::last_os_error().raw_os_error();
        self.child.active = false;
        service.restore_seen(credentials);
        mask.restore();
        drop(borrowed);
        match pid {
            -1 => {
                self.server.reserved(None);
                Err(Errno(error.unwrap_or(libc::EAGAIN)))
            }
            pid => Ok(pid),
        }
    }

    /// The vCPU is where the child left it: in a request, in the kernel, or in the program if it was
    /// killed. Its kernel takes the parent's thread up when it hears that the child is gone.
    fn go_on(&mut self, pid: libc::pid_t) -> Result<(), KvmError> {
        self.vcpu.set_immediate_exit(false);
        self.vcpu.settle()?;
        self.server.vcpus.forget_sleep(0);
        self.name();
        let header = self.server.header();
        header.child_ended.store(pid as u32, Ordering::Release);
        header.vcpus[0].preempt.store(1, Ordering::Release);
        let asked = self.server.take_direct();
        if let Some(slot) = self.child.serving.take().or(asked) {
            self.server.answer(slot, Errno::EINTR.as_result());
        }
        // In the program it is sent to the kernel.
        self.interrupted()
    }
}

/// The child's whole life.
extern "C" fn run(runner: *mut c_void) -> c_int {
    // SAFETY: `clone` gave it the runner, which nobody else uses meanwhile.
    let runner = unsafe { &mut *runner.cast::<Runner>() };
    runner.name();
    runner.server.reserved(Some(std::process::id()));
    if let Some(slot) = runner.child.serving.take() {
        runner.server.answer(slot, 0);
    }
    let Err(error) = runner.run_on();
    report::line(format!("pinion-vmm: vfork: {error}").as_bytes());
    end_as(ExitStatus::Signal(libc::SIGKILL))
}
