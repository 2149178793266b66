//! New processes: fork(2), vfork(2), and clone(2) without CLONE_THREAD.
//!
//! The monitor forks, and the child's monitor goes on here, with a copy of all memory and this thread
//! alone. Others were interrupted in the program or wait in the kernel, which is not preempted: they
//! hold none of its locks.

use core::sync::atomic::Ordering;

use pinion_abi::calls::{machine, Wait};
use pinion_abi::layout::USER_END;
use pinion_abi::Errno;

use super::{
    shared, Clone, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_PARENT_SETTID, CLONE_PIDFD,
    CLONE_SETTLS, CLONE_VM,
};
use crate::arch::switch::Extended;
use crate::arch::{self, Frame};
use crate::boot;
use crate::channel::{self, Owned};
use crate::mm::user;
use crate::signals;
use crate::syscalls::host;
use crate::threads::{allowance, current, futex, scheduler};

const SIGCHLD: u64 = 17;
const CLONE_VFORK: u64 = 0x4000;
/// Of no effect: CLONE_SYSVSEM, CLONE_DETACHED, CLONE_UNTRACED and CLONE_IO.
const IGNORED: u64 = 0x4_0000 | 0x40_0000 | 0x80_0000 | 0x8000_0000;
const SUPPORTED: u64 = CLONE_VM
    | CLONE_VFORK
    | CLONE_PIDFD
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID
    | CLONE_CHILD_SETTID
    | IGNORED;

pub fn fork(frame: &mut Frame) -> Result<u64, Errno> {
    process(
        frame,
        &Clone {
            signal: SIGCHLD,
            ..Clone::default()
        },
    )
}

pub fn vfork(frame: &mut Frame) -> Result<u64, Errno> {
    process(
        frame,
        &Clone {
            flags: CLONE_VM | CLONE_VFORK,
            signal: SIGCHLD,
            ..Clone::default()
        },
    )
}

/// clone(2) of a process.
pub(super) fn process(frame: &mut Frame, clone: &Clone) -> Result<u64, Errno> {
    // A child that shares memory, but not the time, would need a second machine over it.
    let shares = clone.flags & (CLONE_VM | CLONE_VFORK) == CLONE_VM;
    if shares || shared::active() || clone.flags & !SUPPORTED != 0 || clone.signal != SIGCHLD {
        return Err(Errno::ENOSYS);
    }
    if clone.flags & CLONE_SETTLS != 0 && clone.tls >= USER_END {
        return Err(Errno::EPERM);
    }
    if clone.flags & CLONE_VM != 0 {
        let child = shared::share(frame, clone)?;
        hold(child, clone);
        return Ok(child);
    }
    // The child's vCPU is a new one.
    let extended = Extended::current();
    let bases = (arch::fs_base(), arch::gs_base());
    let awaited = clone.flags & CLONE_VFORK != 0;
    let child = channel::fork(awaited)?;
    if child != 0 {
        if awaited {
            await_program(child);
        }
        if clone.flags & CLONE_PARENT_SETTID != 0 {
            // Linux does not say if it could not.
            let _ = user::write(clone.parent_tid, &(child as u32));
        }
        hold(child, clone);
        return Ok(child);
    }
    extended.restore();
    arch::set_fs_base(bases.0);
    arch::set_gs_base(bases.1);
    become_child(frame, clone);
    Ok(0)
}

/// The thread waits until its child has executed a program or ended, whatever signals come for it.
fn await_program(child: u64) {
    let blocked = &current().blocked_signals;
    let before = blocked.swap(!signals::UNBLOCKABLE, Ordering::Relaxed);
    let args = [child, 0, 0, 0, 0, 0];
    Owned::take_for_call().call_unlocked(machine::AWAIT, &args, Wait::Always);
    blocked.store(before, Ordering::Relaxed);
}

/// CLONE_PIDFD: a descriptor of the child, which nobody has waited for yet. There is no child to undo where
/// there is no descriptor: the program finds -1.
fn hold(child: u64, clone: &Clone) {
    const PIDFD_OPEN: u32 = 434;
    if clone.flags & CLONE_PIDFD == 0 {
        return;
    }
    let descriptor = match host::pass_as(PIDFD_OPEN, [child, 0, 0, 0, 0, 0]) {
        Ok(descriptor) => descriptor as i32,
        Err(_) => -1,
    };
    let _ = user::write(clone.pidfd, &descriptor);
}

fn become_child(frame: &mut Frame, clone: &Clone) {
    let id = boot::info().process.pid;
    scheduler::keep_current(id);
    allowance::begin();
    futex::forget_waiters();
    signals::forget_pending();
    let thread = current();
    thread.robust_list.store(0, Ordering::Relaxed);
    let cleared = if clone.flags & CLONE_CHILD_CLEARTID != 0 {
        clone.child_tid
    } else {
        0
    };
    thread.clear_child_tid.store(cleared, Ordering::Relaxed);
    if clone.flags & CLONE_CHILD_SETTID != 0 {
        // As for the parent.
        let _ = user::write(clone.child_tid, &id);
    }
    if clone.flags & CLONE_SETTLS != 0 {
        arch::set_fs_base(clone.tls);
    }
    if clone.stack != 0 {
        frame.rsp = clone.stack;
    }
}
