//! Users, groups and capabilities.
//!
//! Credentials are each thread's own on Linux, and a process's are what libc makes of them. Here the
//! guest's are changed by the thread that may block (the vCPU's), with the host as the judge, and
//! every other thread that serves the guest takes them over before it serves its next request.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pinion_abi::Errno;

use super::privileges::Privileges;
use super::processes::own_process;
use super::sys::{self, Failure, Outcome};
use super::Call;

thread_local! {
    /// The change that this thread has taken over.
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// The guest's credentials. There is one service in a process.
#[derive(Debug)]
pub(super) struct Identity {
    /// Changes so far.
    changes: AtomicU64,
    state: Mutex<Option<Credentials>>,
}

/// The change that the calling thread has taken over.
pub(super) fn seen() -> u64 {
    SEEN.get()
}

pub(super) fn restore_seen(seen: u64) {
    SEEN.set(seen);
}

/// linux/capability.h: _LINUX_CAPABILITY_VERSION_3, with two sets of 32 bits each.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// (effective, permitted, inheritable), low words first.
type Capabilities = [[u32; 3]; 2];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Credentials {
    /// Real, effective, saved.
    users: [u32; 3],
    groups: [u32; 3],
    fs_user: u32,
    fs_group: u32,
    others: Vec<u32>,
    capabilities: Capabilities,
    privileges: Privileges,
}

impl Identity {
    pub fn new() -> Identity {
        Identity {
            changes: AtomicU64::new(0),
            state: Mutex::new(None),
        }
    }

    /// For a process that begins with the same.
    pub fn copy(&self) -> Identity {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Identity {
            changes: AtomicU64::new(self.changes.load(Ordering::Acquire)),
            state: Mutex::new(state.clone()),
        }
    }

    /// Gives the calling thread the guest's credentials, if they changed.
    pub fn catch_up(&self) -> Result<(), Errno> {
        let changes = self.changes.load(Ordering::Acquire);
        if SEEN.get() == changes {
            return Ok(());
        }
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credentials) = &*state {
            if Credentials::current()? != *credentials {
                credentials.take_over()?;
            }
        }
        SEEN.set(self.changes.load(Ordering::Acquire));
        Ok(())
    }

    /// Keeps other threads out, for the time of a fork(2).
    pub fn hold(&self) -> impl Drop + '_ {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the calling thread's credentials those of the guest.
    fn changed(&self) -> Result<(), Errno> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = Some(Credentials::current()?);
        SEEN.set(self.changes.fetch_add(1, Ordering::AcqRel) + 1);
        Ok(())
    }
}

/// Whether the calling thread has one of these capabilities (of the first 32) in effect.
pub(super) fn has(capabilities: u32) -> bool {
    let mut now = Capabilities::default();
    let got = capability_call(libc::SYS_capget, now.as_mut_ptr());
    got.is_ok() && now[0][0] & capabilities != 0
}

/// setuid(2) and all others that change the calling thread's credentials.
pub(super) fn change(call: &mut Call) -> Outcome {
    if !call.may_block {
        return Err(Failure::WouldBlock);
    }
    let result = call.make()?;
    call.service.identity.changed()?;
    Ok(result)
}

/// capset(2).
pub(super) fn capset(call: &mut Call) -> Outcome {
    own_process(call)?;
    change(call)
}

fn numbers<const N: usize>(number: i64, args: [u64; N]) -> Result<i64, Errno> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&args);
    // SAFETY: callers pass calls and arguments that are numbers only.
    unsafe { sys::call(number, all) }
}

impl Credentials {
    /// The calling thread's.
    fn current() -> Result<Credentials, Errno> {
        let count = numbers(libc::SYS_getgroups, [0, 0])?;
        let mut others = vec![0u32; count as usize];
        let args = [count as u64, others.as_mut_ptr() as u64, 0, 0, 0, 0];
        // SAFETY: the kernel writes at most `count` numbers into `others`.
        unsafe { sys::call(libc::SYS_getgroups, args) }?;
        let mut capabilities = Capabilities::default();
        capability_call(libc::SYS_capget, capabilities.as_mut_ptr())?;
        Ok(Credentials {
            users: three(libc::SYS_getresuid)?,
            groups: three(libc::SYS_getresgid)?,
            // Setting a number that is none changes nothing, and returns what is set.
            fs_user: numbers(libc::SYS_setfsuid, [u64::MAX])? as u32,
            fs_group: numbers(libc::SYS_setfsgid, [u64::MAX])? as u32,
            others,
            capabilities,
            privileges: Privileges::current()?,
        })
    }

    /// Sets the calling thread's. It had those of the guest at an earlier time, so what it is
    /// permitted includes what this needs: it takes that into effect first, and keeps it over
    /// the change of users, which would clear it.
    fn take_over(&self) -> Result<(), Errno> {
        let mut now = Capabilities::default();
        capability_call(libc::SYS_capget, now.as_mut_ptr())?;
        for words in &mut now {
            words[0] = words[1];
        }
        capability_call(libc::SYS_capset, now.as_mut_ptr())?;
        self.privileges.take_over_first()?;
        numbers(libc::SYS_prctl, [libc::PR_SET_KEEPCAPS as u64, 1, 0, 0, 0])?;
        let args = [
            self.others.len() as u64,
            self.others.as_ptr() as u64,
            0,
            0,
            0,
            0,
        ];
        // SAFETY: the kernel reads as many numbers as `others` has.
        match unsafe { sys::call(libc::SYS_setgroups, args) } {
            // Without the capability the thread can have no other list than the guest has.
            Ok(_) | Err(Errno::EPERM) => {}
            Err(errno) => return Err(errno),
        }
        numbers(libc::SYS_setresgid, self.groups.map(u64::from))?;
        numbers(libc::SYS_setfsgid, [self.fs_group.into()])?;
        numbers(libc::SYS_setresuid, self.users.map(u64::from))?;
        // setfsuid(2) moves file capabilities in and out of the effective set, so it comes before.
        numbers(libc::SYS_setfsuid, [self.fs_user.into()])?;
        let mut capabilities = self.capabilities;
        capability_call(libc::SYS_capset, capabilities.as_mut_ptr())?;
        self.privileges.take_over_last()
    }
}

fn three(number: i64) -> Result<[u32; 3], Errno> {
    let mut ids = [0u32; 3];
    let base = ids.as_mut_ptr();
    let args = [
        base as u64,
        base.wrapping_add(1) as u64,
        base.wrapping_add(2) as u64,
        0,
        0,
        0,
    ];
    // SAFETY: getresuid and getresgid write one number behind each of three pointers.
    unsafe { sys::call(number, args) }?;
    Ok(ids)
}

/// capget(2) or capset(2) of the calling thread.
fn capability_call(number: i64, data: *mut [u32; 3]) -> Result<i64, Errno> {
    let mut header = [CAPABILITY_VERSION, 0];
    // SAFETY: the header is one of version 3, for which the data are two triples, as `data` has.
    unsafe {
        sys::call(
            number,
            [header.as_mut_ptr() as u64, data as u64, 0, 0, 0, 0],
        )
    }
}
