//! vfork(2), and clone(2) with CLONE_VM and CLONE_VFORK, as posix_spawn(3) has it: the child uses the
//! parent's memory until it executes a program or ends.
//!
//! The monitor's child runs the same vCPU, in this same kernel, as a thread of which the process's pid
//! is the id. Meanwhile no other thread runs, all requests are served by the vCPU's thread, which
//! is the child's, and what the kernel keeps for a process is the child's own. When the monitor says
//! that the child is gone, wherever that left the vCPU, its thread ends and the parent goes on.

use core::sync::atomic::{AtomicBool, Ordering};

use alloc::sync::Arc;

use pinion_abi::Errno;
use spin::Mutex;

use super::{
    release, Clone, CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_PARENT_SETTID, CLONE_SETTLS,
};
use crate::arch::{self, Frame};
use crate::boot;
use crate::channel;
use crate::mm::user;
use crate::signals;
use crate::syscalls::{limits, process};
use crate::threads::{current, scheduler, Thread};
use crate::vcpus;

/// What is the parent's while its child runs.
struct Parent {
    thread: Arc<Thread>,
    signals: signals::Kept,
    attributes: process::Attributes,
    limits: limits::Limits,
}

static PARENT: Mutex<Option<Parent>> = Mutex::new(None);
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// Whether the running thread is such a child.
pub fn active() -> bool {
    ACTIVE.load(Ordering::Relaxed)
}

pub(super) fn share(frame: &Frame, clone: &Clone) -> Result<u64, Errno> {
    scheduler::move_to_first();
    let mut registers = *frame;
    registers.rax = 0;
    registers.rcx = registers.rip;
    if clone.stack != 0 {
        registers.rsp = clone.stack;
    }
    let fs_base = match clone.flags & CLONE_SETTLS {
        0 => arch::fs_base(),
        _ => clone.tls,
    };
    let child = Thread::new(&registers, fs_base).ok_or(Errno::EAGAIN)?;
    *child.alternate_stack.lock() = *current().alternate_stack.lock();
    let parent = scheduler::find(current().id()).ok_or(Errno::EAGAIN)?;
    vcpus::take_all();
    if let Err(error) = channel::vfork() {
        vcpus::give_back();
        // It may have been killed before it took its first step.
        return channel::take_child_ended().map(u64::from).ok_or(error);
    }
    let id = boot::info().process.pid;
    *PARENT.lock() = Some(Parent {
        thread: parent,
        signals: signals::keep(),
        attributes: process::attributes(),
        limits: limits::all(),
    });
    ACTIVE.store(true, Ordering::Relaxed);
    for (flag, word) in [
        (CLONE_PARENT_SETTID, clone.parent_tid),
        (CLONE_CHILD_SETTID, clone.child_tid),
    ] {
        if clone.flags & flag != 0 {
            // Linux does not say if it could not.
            let _ = user::write(word, &id);
        }
    }
    if clone.flags & CLONE_CHILD_CLEARTID != 0 {
        child
            .clear_child_tid
            .store(clone.child_tid, Ordering::Relaxed);
    }
    scheduler::run_child(child, id);
    Ok(u64::from(id))
}

/// Has the parent go on if the child is gone; then this does not return.
pub fn finish() {
    if !active() || channel::take_child_ended().is_none() {
        return;
    }
    release();
    let Some(parent) = PARENT.lock().take() else {
        panic!("a child without a parent");
    };
    signals::restore(parent.signals);
    process::set_attributes(parent.attributes);
    limits::set_all(parent.limits);
    ACTIVE.store(false, Ordering::Relaxed);
    vcpus::give_back();
    scheduler::end_child(parent.thread)
}
