//! Threads as the C library and Go make them (clone(2), futex(2), set_tid_address(2)), and what
//! programs ask about processors.

mod fork;
pub mod shared;

pub use fork::{fork, vfork};

use core::sync::atomic::{AtomicU64, Ordering};

use pinion_abi::calls::{machine, Wait};
use pinion_abi::layout::USER_END;
use pinion_abi::Errno;

use crate::arch::{self, Frame};
use crate::boot;
use crate::channel::{self, Owned};
use crate::mm::user;
use crate::threads::futex::{owner, word::Word, ANY};
use crate::threads::{allowance, current, scheduler, Thread};
use crate::vcpus;

const CLONE_VM: u64 = 0x100;
const CLONE_SIGHAND: u64 = 0x800;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_CHILD_CLEARTID: u64 = 0x20_0000;
const CLONE_CHILD_SETTID: u64 = 0x100_0000;
/// The exit signal, in clone(2)'s flags.
const SIGNAL: u64 = 0xff;
/// What makes a thread of a process.
const THREAD: u64 = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;

/// The arguments of clone(2) and clone3(2).
#[derive(Default)]
struct Clone {
    /// Without the signal that clone(2) has in the lowest byte.
    flags: u64,
    /// What tells the parent of the end of a process.
    signal: u64,
    stack: u64,
    parent_tid: u64,
    child_tid: u64,
    tls: u64,
    /// Where a descriptor of the new process is written (CLONE_PIDFD).
    pidfd: u64,
}

pub fn clone(frame: &mut Frame) -> Result<u64, Errno> {
    let [flags, stack, parent_tid, child_tid, tls, _] = frame.args();
    if flags & CLONE_PIDFD != 0 && flags & CLONE_PARENT_SETTID != 0 {
        // Both would be written to the same place.
        return Err(Errno::EINVAL);
    }
    make(
        frame,
        &Clone {
            flags: flags & !SIGNAL,
            signal: flags & SIGNAL,
            stack,
            parent_tid,
            child_tid,
            tls,
            pidfd: parent_tid,
        },
    )
}

pub fn clone3(frame: &mut Frame) -> Result<u64, Errno> {
    /// Bytes of the first version of struct clone_args.
    const SMALLEST: u64 = 64;
    if frame.rsi < SMALLEST {
        return Err(Errno::EINVAL);
    }
    let [flags, pidfd, child_tid, parent_tid, signal, stack, stack_bytes, tls]: [u64; 8] =
        user::read(frame.rdi)?;
    let stack = stack.checked_add(stack_bytes).ok_or(Errno::EINVAL)?;
    make(
        frame,
        &Clone {
            flags,
            signal,
            stack,
            parent_tid,
            child_tid,
            tls,
            pidfd,
        },
    )
}

fn make(frame: &mut Frame, clone: &Clone) -> Result<u64, Errno> {
    if clone.flags & THREAD != THREAD {
        return fork::process(frame, clone);
    }
    if shared::active() {
        return Err(Errno::ENOSYS);
    }
    if clone.flags & CLONE_PIDFD != 0 {
        return Err(Errno::EINVAL);
    }
    let mut child = *frame;
    child.rax = 0;
    child.rcx = child.rip;
    if clone.stack != 0 {
        child.rsp = clone.stack;
    }
    let fs_base = if clone.flags & CLONE_SETTLS != 0 {
        clone.tls
    } else {
        arch::fs_base()
    };
    if fs_base >= USER_END {
        return Err(Errno::EPERM);
    }
    allowance::reserve()?;
    let thread = Thread::new(&child, fs_base).ok_or(Errno::EAGAIN)?;
    if clone.flags & CLONE_PARENT_SETTID != 0 {
        user::write(clone.parent_tid, &thread.id())?;
    }
    if clone.flags & CLONE_CHILD_SETTID != 0 {
        user::write(clone.child_tid, &thread.id())?;
    }
    if clone.flags & CLONE_CHILD_CLEARTID != 0 {
        thread
            .clear_child_tid
            .store(clone.child_tid, Ordering::Relaxed);
    }
    let id = thread.id();
    scheduler::add(thread);
    Ok(u64::from(id))
}

/// Tells others that the running thread ends: its robust futexes, and who joins it.
pub fn release() {
    use core::sync::atomic::Ordering::Relaxed;
    let thread = current();
    owner::release();
    let word = thread.clear_child_tid.load(Relaxed);
    if word != 0 && user::write(word, &0u32).is_ok() {
        let _ = Word::find(word, false).and_then(|word| word.wake(1, ANY));
    }
}

pub fn gettid(_: &mut Frame) -> Result<u64, Errno> {
    Ok(u64::from(current().id()))
}

pub fn set_tid_address(frame: &mut Frame) -> Result<u64, Errno> {
    let thread = current();
    thread.clear_child_tid.store(frame.rdi, Ordering::Relaxed);
    Ok(u64::from(thread.id()))
}

/// Bytes of struct robust_list_head.
const ROBUST_BYTES: u64 = 24;

pub fn set_robust_list(frame: &mut Frame) -> Result<u64, Errno> {
    if frame.rsi != ROBUST_BYTES {
        return Err(Errno::EINVAL);
    }
    current().robust_list.store(frame.rdi, Ordering::Relaxed);
    Ok(0)
}

pub fn get_robust_list(frame: &mut Frame) -> Result<u64, Errno> {
    let [id, list, bytes, ..] = frame.args();
    let head = match id as u32 {
        0 => current().robust_list.load(Ordering::Relaxed),
        id => {
            let thread = scheduler::find(id).ok_or(Errno::ESRCH)?;
            thread.robust_list.load(Ordering::Relaxed)
        }
    };
    user::write(list, &head)?;
    user::write(bytes, &ROBUST_BYTES)?;
    Ok(0)
}

pub fn sched_yield(_: &mut Frame) -> Result<u64, Errno> {
    scheduler::give_way();
    Ok(0)
}

/// unshare(2): a process has files and directories of its own already; its threads have them in common.
/// Namespaces are made by config.json alone.
pub fn unshare(frame: &mut Frame) -> Result<u64, Errno> {
    const CLONE_FS: u64 = 0x200;
    const CLONE_FILES: u64 = 0x400;
    const CLONE_SYSVSEM: u64 = 0x4_0000;
    /// CLONE_NEWNS, CLONE_NEWTIME, and from CLONE_NEWCGROUP to CLONE_NEWNET.
    const NAMESPACES: u64 = 0x2_0000 | 0x80 | 0x7e00_0000;
    let flags = frame.rdi;
    if flags & !(THREAD | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | NAMESPACES) != 0 {
        return Err(Errno::EINVAL);
    }
    let alone = scheduler::count() == 1;
    if flags & THREAD != 0 && !alone {
        return Err(Errno::EINVAL);
    }
    match flags & (CLONE_FS | CLONE_FILES) {
        _ if flags & NAMESPACES != 0 => {
            boot::missing().count(frame.original as u32);
            Err(Errno::EPERM)
        }
        0 => Ok(0),
        _ if alone => Ok(0),
        // The host's threads that serve have one table.
        _ => Err(Errno::ENOSYS),
    }
}

/// membarrier(2): to enter the kernel is a barrier, and to go back is serialising. Other processes the
/// host makes pass one, whoever has registered.
pub fn membarrier(frame: &mut Frame) -> Result<u64, Errno> {
    // linux/membarrier.h.
    const QUERY: u64 = 0;
    const GLOBAL: u64 = 1 << 0;
    const GLOBAL_EXPEDITED: u64 = 1 << 1;
    const REGISTER_GLOBAL_EXPEDITED: u64 = 1 << 2;
    const PRIVATE_EXPEDITED: u64 = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: u64 = 1 << 4;
    const PRIVATE_EXPEDITED_SYNC_CORE: u64 = 1 << 5;
    const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: u64 = 1 << 6;
    const GET_REGISTRATIONS: u64 = 1 << 9;
    static REGISTERED: AtomicU64 = AtomicU64::new(0);
    let [command, flags, ..] = frame.args();
    let (command, flags) = (command & 0xffff_ffff, flags as u32);
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    match command {
        QUERY => Ok(GET_REGISTRATIONS
            | GLOBAL
            | GLOBAL_EXPEDITED
            | REGISTER_GLOBAL_EXPEDITED
            | PRIVATE_EXPEDITED
            | REGISTER_PRIVATE_EXPEDITED
            | PRIVATE_EXPEDITED_SYNC_CORE
            | REGISTER_PRIVATE_EXPEDITED_SYNC_CORE),
        PRIVATE_EXPEDITED | PRIVATE_EXPEDITED_SYNC_CORE => {
            if REGISTERED.load(Ordering::Relaxed) & command << 1 == 0 {
                return Err(Errno::EPERM);
            }
            vcpus::wait_for_others();
            Ok(0)
        }
        GLOBAL | GLOBAL_EXPEDITED => {
            vcpus::wait_for_others();
            let slot = Owned::take_for_call();
            channel::result(slot.call_unlocked(machine::BARRIER, &[0; 6], Wait::Always))
        }
        REGISTER_GLOBAL_EXPEDITED
        | REGISTER_PRIVATE_EXPEDITED
        | REGISTER_PRIVATE_EXPEDITED_SYNC_CORE => {
            REGISTERED.fetch_or(command, Ordering::Relaxed);
            Ok(0)
        }
        GET_REGISTRATIONS => Ok(REGISTERED.load(Ordering::Relaxed)),
        _ => Err(Errno::EINVAL),
    }
}

/// getcpu(2): the CPU that the vCPU stands for, on node 0.
pub fn getcpu(frame: &mut Frame) -> Result<u64, Errno> {
    let cpu = vcpus::cpu(vcpus::index());
    for (address, value) in [(frame.rdi, cpu), (frame.rsi, 0)] {
        if address != 0 {
            user::write(address, &value)?;
        }
    }
    Ok(0)
}
