//! New processes, by clone3(2).

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::errno::{check, Errno};

/// linux/sched.h, since Linux 5.7; this libc does not have it yet.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// As fork(2), with new namespaces for the child, in a control group of version 2 if it may be there
/// (clone(2), CLONE_INTO_CGROUP): returns whether it is.
pub fn clone_into(namespaces: i32, group: Option<&File>) -> Result<(libc::pid_t, bool), Errno> {
    if let Some(group) = group {
        if let Ok(pid) = clone(namespaces, Some(group)) {
            return Ok((pid, true));
        }
    }
    Ok((clone(namespaces, None)?, false))
}

fn clone(namespaces: i32, group: Option<&File>) -> Result<libc::pid_t, Errno> {
    // libc keeps its thread's id where the kernel clears it at the end; the child's must be its own.
    let mut thread_id: *mut libc::pid_t = std::ptr::null_mut();
    // SAFETY: PR_GET_TID_ADDRESS writes one pointer.
    let known = check(unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &mut thread_id) }).is_ok();
    // SAFETY: clone_args consists of integers; zero is a value of each.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces as u64;
    if known && !thread_id.is_null() {
        args.flags |= (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
        args.child_tid = thread_id as u64;
    }
    if let Some(group) = group {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child has a copy of this process, which has one thread, so every
    // lock and invariant is as it was.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &args, size_of::<libc::clone_args>()) })?;
    Ok(pid as libc::pid_t)
}
