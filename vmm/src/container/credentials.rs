//! Becoming the plan's user.

use super::capabilities::{Capabilities, CapabilityError};
use super::executable::Executable;
use crate::errno::{check, Errno};
use crate::exec::rights::{After, Before, Rights};
use crate::plan::Process;

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error(transparent)]
    Capabilities(#[from] CapabilityError),
    #[error("{call}: {errno}")]
    Call { call: &'static str, errno: Errno },
}

/// To setresuid(2) it means that the id stays as it is.
const NO_ID: u32 = u32::MAX;

/// Takes user, groups and capabilities of the plan, in runc's order: what needs a privilege goes
/// before the privilege. What its program may gain stays permitted, but not in effect, until
/// [`execute`]. Returns the permitted capabilities of the plan.
pub fn become_user(process: &Process) -> Result<u64, CredentialsError> {
    if [process.uid, process.gid].contains(&NO_ID) {
        return Err(CredentialsError::Call {
            call: "setuid",
            errno: Errno(libc::EINVAL),
        });
    }
    let capabilities = match &process.capabilities {
        Some(capabilities) => Capabilities::try_from(capabilities)?,
        None => Capabilities::default(),
    };
    capabilities.apply_bounding()?;
    // Without this, leaving uid 0 would clear the permitted set.
    keep_capabilities(true)?;
    set_groups(&process.additional_gids)?;
    // SAFETY: raw identifiers; this process has one thread, so the process' and the thread's are one.
    call("setgid", unsafe {
        libc::syscall(libc::SYS_setresgid, process.gid, process.gid, process.gid)
    })?;
    // SAFETY: as above.
    call("setuid", unsafe {
        libc::syscall(libc::SYS_setresuid, process.uid, process.uid, process.uid)
    })?;
    keep_capabilities(false)?;
    let gains = match process.no_new_privileges {
        true => 0,
        false => capabilities.bounding | capabilities.inheritable,
    };
    capabilities.apply(gains)?;
    Ok(capabilities.permitted)
}

/// Makes of this process's rights what the host's execve(2) of the program would: there is none of the
/// first program.
pub fn execute(program: &Executable) -> Result<After, Errno> {
    let host = |errno: pinion_abi::Errno| Errno(errno.0);
    let before = Before::current().map_err(host)?;
    let rights = Rights::of(&program.file).map_err(host)?;
    let after = rights.apply(&before).map_err(host)?;
    after.take().map_err(host)?;
    Ok(after)
}

/// Gives pipes and sockets among the standard streams to the user, who could otherwise not open
/// them by way of /dev/stdout, as programs in images do. Files and terminals of the caller stay the
/// caller's.
pub fn give_streams(process: &Process) {
    for fd in 0..3 {
        // SAFETY: fstat(2) fills in the struct, whose fields are integers; fchown(2) takes numbers.
        // A stream that is closed, or cannot be given away, is no error, as in runc.
        unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            if libc::fstat(fd, &mut stat) != 0 || stat.st_uid == process.uid {
                continue;
            }
            if matches!(stat.st_mode & libc::S_IFMT, libc::S_IFIFO | libc::S_IFSOCK) {
                libc::fchown(fd, process.uid, stat.st_gid);
            }
        }
    }
}

/// Uid and gid 0 of a new user namespace, which the plan's maps have just defined.
pub fn become_root() -> Result<(), CredentialsError> {
    // SAFETY: raw identifiers.
    call("setgid", unsafe {
        libc::syscall(libc::SYS_setresgid, 0, 0, 0)
    })?;
    // SAFETY: raw identifiers.
    call("setuid", unsafe {
        libc::syscall(libc::SYS_setresuid, 0, 0, 0)
    })
}

pub fn no_new_privileges() -> Result<(), CredentialsError> {
    // SAFETY: this operation takes numbers.
    call("prctl(PR_SET_NO_NEW_PRIVS)", unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    })
}

fn set_groups(groups: &[u32]) -> Result<(), CredentialsError> {
    // SAFETY: the kernel reads as many identifiers as the slice has.
    let result =
        check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) });
    match result {
        // A user namespace whose maps were written without privilege has no setgroups(2)
        // (user_namespaces(7)).
        Err(Errno(libc::EPERM)) if groups.is_empty() => Ok(()),
        Err(errno) => Err(CredentialsError::Call {
            call: "setgroups",
            errno,
        }),
        Ok(_) => Ok(()),
    }
}

fn keep_capabilities(keep: bool) -> Result<(), CredentialsError> {
    // SAFETY: this operation takes numbers.
    call("prctl(PR_SET_KEEPCAPS)", unsafe {
        libc::prctl(libc::PR_SET_KEEPCAPS, u64::from(keep), 0, 0, 0)
    })
}

fn call(call: &'static str, result: impl Into<i64>) -> Result<(), CredentialsError> {
    check(result).map_err(|errno| CredentialsError::Call { call, errno })?;
    Ok(())
}
