//! Resource limits: some bound the monitor as they would the program, others are answered to the
//! guest only.

use std::ffi::c_uint;

use crate::errno::{check, Errno};
use crate::plan::Rlimit;

#[derive(Debug, thiserror::Error)]
pub enum RlimitError {
    #[error("unknown rlimit {0:?}")]
    Unknown(String),
    #[error("error setting rlimit type {kind}: {errno}")]
    Set { kind: String, errno: Errno },
}

/// Who keeps a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    /// The host, for the monitor.
    Host,
    /// The guest's kernel: the monitor needs memory and descriptors of its own, and without
    /// CAP_SYS_RESOURCE there is no way back up.
    Guest,
}

/// Names of setrlimit(2), numbers of <asm-generic/resource.h>.
const LIMITS: [(&str, c_uint, Keeper); 16] = [
    ("RLIMIT_CPU", libc::RLIMIT_CPU, Keeper::Host),
    ("RLIMIT_FSIZE", libc::RLIMIT_FSIZE, Keeper::Host),
    ("RLIMIT_DATA", libc::RLIMIT_DATA, Keeper::Guest),
    ("RLIMIT_STACK", libc::RLIMIT_STACK, Keeper::Guest),
    ("RLIMIT_CORE", libc::RLIMIT_CORE, Keeper::Guest),
    ("RLIMIT_RSS", libc::RLIMIT_RSS, Keeper::Host),
    ("RLIMIT_NPROC", libc::RLIMIT_NPROC, Keeper::Guest),
    ("RLIMIT_NOFILE", libc::RLIMIT_NOFILE, Keeper::Guest),
    ("RLIMIT_MEMLOCK", libc::RLIMIT_MEMLOCK, Keeper::Guest),
    ("RLIMIT_AS", libc::RLIMIT_AS, Keeper::Guest),
    ("RLIMIT_LOCKS", libc::RLIMIT_LOCKS, Keeper::Host),
    ("RLIMIT_SIGPENDING", libc::RLIMIT_SIGPENDING, Keeper::Host),
    ("RLIMIT_MSGQUEUE", libc::RLIMIT_MSGQUEUE, Keeper::Host),
    ("RLIMIT_NICE", libc::RLIMIT_NICE, Keeper::Host),
    ("RLIMIT_RTPRIO", libc::RLIMIT_RTPRIO, Keeper::Host),
    ("RLIMIT_RTTIME", libc::RLIMIT_RTTIME, Keeper::Host),
];

/// A limit as getrlimit(2) shows it; `u64::MAX` is RLIM_INFINITY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub soft: u64,
    pub hard: u64,
}

/// All limits as the guest sees them at its start, by their numbers.
pub type Limits = [Limit; 16];

/// The limits that the monitor was started with, those of `plan` in their place. Read before any
/// is raised for the monitor's own use.
pub fn of_guest(plan: &[Rlimit]) -> Result<Limits, RlimitError> {
    let mut limits = [Limit {
        soft: u64::MAX,
        hard: u64::MAX,
    }; 16];
    for (kind, number, _) in LIMITS {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: getrlimit(2) fills in one struct.
        check(unsafe { libc::getrlimit(number, &mut limit) }).map_err(|errno| {
            RlimitError::Set {
                kind: kind.to_owned(),
                errno,
            }
        })?;
        limits[number as usize] = Limit {
            soft: limit.rlim_cur,
            hard: limit.rlim_max,
        };
    }
    for limit in plan {
        let (number, _) = find(&limit.kind)?;
        limits[number as usize] = Limit {
            soft: limit.soft,
            hard: limit.hard,
        };
    }
    Ok(limits)
}

/// Sets those of the plan that bound the monitor.
pub fn apply(plan: &[Rlimit]) -> Result<(), RlimitError> {
    for limit in plan {
        let (number, keeper) = find(&limit.kind)?;
        let value = libc::rlimit {
            rlim_cur: limit.soft,
            rlim_max: limit.hard,
        };
        if keeper == Keeper::Host {
            // SAFETY: setrlimit(2) reads one struct.
            check(unsafe { libc::setrlimit(number, &value) }).map_err(|errno| {
                RlimitError::Set {
                    kind: limit.kind.clone(),
                    errno,
                }
            })?;
        }
    }
    Ok(())
}

fn find(kind: &str) -> Result<(c_uint, Keeper), RlimitError> {
    LIMITS
        .iter()
        .find(|(name, ..)| *name == kind)
        .map(|(_, number, keeper)| (*number, *keeper))
        .ok_or_else(|| RlimitError::Unknown(kind.to_owned()))
}
