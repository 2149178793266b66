//! Limits of the guest that the host itself enforces, on the monitor (setrlimit(2)).

use std::mem::MaybeUninit;

use pinion_abi::Errno;

use crate::errno;

/// Those by which the host judges what the monitor does for the guest, and its CPU time.
const ENFORCED: [u32; 6] = [
    libc::RLIMIT_CPU,
    libc::RLIMIT_FSIZE,
    libc::RLIMIT_MSGQUEUE,
    libc::RLIMIT_NICE,
    libc::RLIMIT_RTPRIO,
    libc::RLIMIT_RTTIME,
];

fn get(resource: u32) -> Result<libc::rlimit, Errno> {
    let mut limit = MaybeUninit::uninit();
    // SAFETY: getrlimit(2) fills one struct where it succeeds.
    match unsafe { libc::getrlimit(resource, limit.as_mut_ptr()) } {
        // SAFETY: as above.
        0 => Ok(unsafe { limit.assume_init() }),
        _ => Err(Errno(errno::Errno::last().0)),
    }
}

fn put(resource: u32, limit: libc::rlimit) -> Result<(), Errno> {
    // SAFETY: setrlimit(2) reads one struct.
    match unsafe { libc::setrlimit(resource, &limit) } {
        0 => Ok(()),
        _ => Err(Errno(errno::Errno::last().0)),
    }
}

/// The guest has that limit from now on. The hard one of files' sizes stays the monitor's, see [`unlimited_files`].
pub fn set(resource: u64, soft: u64, hard: u64) -> Result<i64, Errno> {
    let resource = u32::try_from(resource).map_err(|_| Errno::EINVAL)?;
    if !ENFORCED.contains(&resource) {
        return Err(Errno::EINVAL);
    }
    let mut limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    if resource == libc::RLIMIT_FSIZE {
        limit.rlim_max = get(resource)?.rlim_max.max(soft);
    }
    put(resource, limit).map(|()| 0)
}

/// Does something with files of the monitor's own, of which the guest's limit is not meant.
pub fn unlimited_files<T>(work: impl FnOnce() -> T) -> T {
    let lifted = get(libc::RLIMIT_FSIZE)
        .ok()
        .filter(|limit| limit.rlim_cur < limit.rlim_max);
    let lift = |soft| {
        if let Some(mut limit) = lifted {
            limit.rlim_cur = soft;
            // Should it fail, the limit is what it was.
            let _ = put(libc::RLIMIT_FSIZE, limit);
        }
    };
    lift(lifted.map_or(0, |limit| limit.rlim_max));
    let done = work();
    lift(lifted.map_or(0, |limit| limit.rlim_cur));
    done
}
