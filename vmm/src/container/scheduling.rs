//! When and where a process runs, reads and allocates: scheduler, CPUs, I/O priority, memory nodes. The
//! monitor's threads have all this from the one that makes them.

use crate::errno::{check, Errno};
use crate::plan::{MemoryPolicy, Process, Scheduler};

#[derive(Debug, thiserror::Error)]
pub enum SchedulingError {
    #[error("error setting scheduler: {0}")]
    Scheduler(Errno),
    #[error("error setting I/O priority: {0}")]
    IoPriority(Errno),
    #[error("error setting memory policy: {0}")]
    MemoryPolicy(Errno),
    #[error("error setting CPU affinity: {0}")]
    Affinity(Errno),
}

/// `struct sched_attr` (sched_setattr(2)) in its first version.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// What takes privileges that the process may not keep.
pub fn apply(process: &Process) -> Result<(), SchedulingError> {
    if let Some(scheduler) = &process.scheduler {
        set_scheduler(scheduler).map_err(SchedulingError::Scheduler)?;
    }
    if let Some(priority) = process.io_priority {
        /// linux/ioprio.h.
        const WHO_PROCESS: i32 = 1;
        // SAFETY: ioprio_set(2) takes numbers.
        check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, i32::from(priority)) })
            .map_err(SchedulingError::IoPriority)?;
    }
    if let Some(policy) = &process.memory_policy {
        set_memory_policy(policy).map_err(SchedulingError::MemoryPolicy)?;
    }
    Ok(())
}

fn set_scheduler(scheduler: &Scheduler) -> Result<(), Errno> {
    const SCHED_DEADLINE: u32 = 6;
    const RESET_ON_FORK: u64 = 1;
    // A process with a deadline may make threads, which the monitor has, only if they have none.
    let more = if scheduler.policy == SCHED_DEADLINE {
        RESET_ON_FORK
    } else {
        0
    };
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: scheduler.policy,
        flags: scheduler.flags | more,
        nice: scheduler.nice,
        priority: scheduler.priority,
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
    };
    // SAFETY: the structure has the size that it tells.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &attr, 0) })?;
    Ok(())
}

/// Numbers as bits of words, the first the lowest.
fn mask(numbers: &[u16]) -> Vec<u64> {
    let words = numbers
        .iter()
        .max()
        .map_or(0, |last| *last as usize / 64 + 1);
    let mut mask = vec![0_u64; words];
    for number in numbers {
        mask[*number as usize / 64] |= 1 << (number % 64);
    }
    mask
}

fn set_memory_policy(policy: &MemoryPolicy) -> Result<(), Errno> {
    let nodes = mask(&policy.nodes);
    // The kernel takes one bit less than it is told (set_mempolicy(2), BUGS).
    let bits = if nodes.is_empty() {
        0
    } else {
        nodes.len() * 64 + 1
    };
    // SAFETY: the kernel reads that many bits, rounded up to words of which it takes no more than
    // `bits - 1` into account.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, policy.mode, nodes.as_ptr(), bits) })?;
    Ok(())
}

/// Lets this process, and those that it makes, run on these CPUs only.
pub fn set_affinity(cpus: &[u16]) -> Result<(), SchedulingError> {
    let mask = mask(cpus);
    // SAFETY: the kernel reads as many bytes as it is told.
    check(unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            0,
            size_of_val(mask.as_slice()),
            mask.as_ptr(),
        )
    })
    .map_err(SchedulingError::Affinity)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn a_mask_has_a_bit_for_each_number() {
        assert!(mask(&[]).is_empty());
        assert_eq!(mask(&[0, 3]), [9]);
        assert_eq!(mask(&[63, 64, 129]), [1 << 63, 1, 2]);
    }
}
