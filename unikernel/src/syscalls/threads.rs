//! Threads as the C library and Go make them (clone(2), futex(2), set_tid_address(2)), and what
//! programs ask about processors.

mod fork;
pub mod shared;

pub use fork::{fork, vfork};

use core::sync::atomic::Ordering;

use alloc::vec::Vec;

use pinion_abi::calls::{machine, Wait};
use pinion_abi::layout::USER_END;
use pinion_abi::Errno;

use super::time;
use crate::arch::{self, Frame};
use crate::channel::{self, Owned};
use crate::mm::areas::Backing;
use crate::mm::space::{Access, SPACE};
use crate::mm::user;
use crate::threads::{current, futex, scheduler, Thread};
use crate::vcpus;

const CLONE_VM: u64 = 0x100;
const CLONE_SIGHAND: u64 = 0x800;
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
}

pub fn clone(frame: &mut Frame) -> Result<u64, Errno> {
    let [flags, stack, parent_tid, child_tid, tls, _] = frame.args();
    make(
        frame,
        &Clone {
            flags: flags & !SIGNAL,
            signal: flags & SIGNAL,
            stack,
            parent_tid,
            child_tid,
            tls,
        },
    )
}

pub fn clone3(frame: &mut Frame) -> Result<u64, Errno> {
    /// Bytes of the first version of struct clone_args.
    const SMALLEST: u64 = 64;
    if frame.rsi < SMALLEST {
        return Err(Errno::EINVAL);
    }
    let [flags, _pidfd, child_tid, parent_tid, signal, stack, stack_bytes, tls]: [u64; 8] =
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
    let list = thread.robust_list.load(Relaxed);
    if list != 0 {
        // A list that cannot be read ends there, as in Linux.
        let _ = release_robust(list, thread.id());
    }
    let word = thread.clear_child_tid.load(Relaxed);
    if word != 0 && user::write(word, &0u32).is_ok() {
        let _ = futex::wake(word, 1, futex::ANY);
    }
}

/// The process ends, and with it what its threads hold that other processes wait for.
pub fn release_all() {
    let lists = scheduler::fold(Vec::new(), |mut lists, thread| {
        let list = thread.robust_list.load(Ordering::Relaxed);
        if list != 0 {
            lists.push((list, thread.id()));
        }
        lists
    });
    for (list, id) in lists {
        let _ = release_robust(list, id);
    }
}

/// The futexes that the thread holds are marked and handed on (linux/Documentation,
/// robust-futexes).
fn release_robust(head: u64, id: u32) -> Result<(), Errno> {
    const MOST: usize = 2048;
    let [first, offset, pending]: [u64; 3] = user::read(head)?;
    let mut entry = first & !1;
    for _ in 0..MOST {
        if entry == head {
            break;
        }
        let next: u64 = user::read(entry)?;
        if entry != pending {
            abandon(entry.wrapping_add(offset), id)?;
        }
        entry = next & !1;
    }
    if pending != 0 {
        abandon((pending & !1).wrapping_add(offset), id)?;
    }
    Ok(())
}

fn abandon(word: u64, id: u32) -> Result<(), Errno> {
    const WAITERS: u32 = 0x8000_0000;
    const OWNER_DIED: u32 = 0x4000_0000;
    const ID: u32 = 0x3fff_ffff;
    let mine = |value: u32| value & ID == id;
    let value = user::update(word, |value| match mine(value) {
        true => value & WAITERS | OWNER_DIED,
        false => value,
    })?;
    if mine(value) && value & WAITERS != 0 {
        match shared_word(word) {
            Some(address) => wake_shared(address, 1, futex::ANY)?,
            None => futex::wake(word, 1, futex::ANY)?,
        };
    }
    Ok(())
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

/// membarrier(2): to enter the kernel is a barrier.
pub fn membarrier(frame: &mut Frame) -> Result<u64, Errno> {
    const QUERY: u64 = 0;
    const PRIVATE_EXPEDITED: u64 = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: u64 = 1 << 4;
    match frame.rdi {
        QUERY => Ok(PRIVATE_EXPEDITED | REGISTER_PRIVATE_EXPEDITED),
        PRIVATE_EXPEDITED => {
            vcpus::wait_for_others();
            Ok(0)
        }
        REGISTER_PRIVATE_EXPEDITED => Ok(0),
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

/// Where a word stands in physical memory, if it is in memory that processes share.
fn shared_word(word: u64) -> Option<u64> {
    let mut space = SPACE.lock();
    let area = space.areas.find(word)?;
    if !matches!(area.backing, Backing::File { shared: true, .. }) {
        return None;
    }
    Some(space.translate(word, Access::Read).ok()?.0)
}

fn wait_shared(address: u64, value: u32, bits: u32, deadline: Option<u64>) -> Result<u64, Errno> {
    // The host's 0 is no deadline.
    let deadline = deadline.map_or(0, |deadline| deadline.max(1));
    let args = [address, value.into(), bits.into(), deadline, 0, 0];
    let slot = Owned::take_for_call();
    channel::result(slot.call_unlocked(machine::FUTEX_WAIT, &args, Wait::Always))
}

fn wake_shared(address: u64, count: u32, bits: u32) -> Result<u64, Errno> {
    let args = [address, count.into(), bits.into(), 0, 0];
    channel::result(channel::machine_call(machine::FUTEX_WAKE, args))
}

/// futex(2): between the threads of the process here, among processes by the host.
pub fn futex(frame: &mut Frame) -> Result<u64, Errno> {
    const COMMAND: u64 = 127;
    const PRIVATE: u64 = 128;
    const REALTIME: u64 = 256;
    let [word, operation, value, timeout, second, third] = frame.args();
    let value = value as u32;
    let third = third as u32;
    let clock = u64::from(operation & REALTIME == 0);
    let deadline = |absolute: bool| -> Result<Option<u64>, Errno> {
        match timeout {
            0 => Ok(None),
            address => time::deadline(clock, absolute, user::read(address)?).map(Some),
        }
    };
    // A private futex is its address alone; one that may be shared is what stands there.
    if operation & PRIVATE == 0 && word % 4 == 0 {
        user::read::<u32>(word)?;
    }
    let shared = match operation & PRIVATE {
        0 => shared_word(word),
        _ => None,
    };
    if let Some(address) = shared {
        return match operation & COMMAND {
            0 => wait_shared(address, value, futex::ANY, deadline(false)?),
            1 => wake_shared(address, value, futex::ANY),
            // Those that would be moved wake, too, and look again.
            3 => wake_shared(address, value.saturating_add(timeout as u32), futex::ANY),
            4 if user::read::<u32>(word)? != third => Err(Errno::EAGAIN),
            4 => wake_shared(address, value.saturating_add(timeout as u32), futex::ANY),
            9 => wait_shared(address, value, third, deadline(true)?),
            10 => wake_shared(address, value, third),
            _ => Err(Errno::ENOSYS),
        };
    }
    match operation & COMMAND {
        0 => futex::wait(word, value, futex::ANY, deadline(false)?),
        1 => futex::wake(word, value, futex::ANY),
        3 => futex::requeue(word, second, value, timeout as u32, None),
        4 => futex::requeue(word, second, value, timeout as u32, Some(third)),
        5 => futex::wake_op(word, second, value, timeout as u32, third),
        9 => futex::wait(word, value, third, deadline(true)?),
        10 => futex::wake(word, value, third),
        _ => Err(Errno::ENOSYS),
    }
}
