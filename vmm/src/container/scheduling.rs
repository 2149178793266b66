//! When and where a process runs, reads and allocates: scheduler, CPUs, I/O priority, memory nodes. The
//! monitor's threads have all this from the one that makes them.

use crate::errno::{check, Errno};
use crate::machine::start::allowed_cpus;
use crate::plan::{Machine, MemoryPolicy, Process, Scheduler};

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

/// Lets this process, and those that it makes, run on as many CPUs as the machine has vCPUs, where its plan says
/// so.
pub fn bind(machine: &Machine) -> Result<(), SchedulingError> {
    match machine.first_cpu {
        Some(first) => set_affinity(&chosen(&allowed_cpus(), first, machine.vcpus)),
        None => Ok(()),
    }
}

/// `count` of the CPUs, from the one at the place `first` on, in turn.
fn chosen(cpus: &[u32], first: u32, count: u32) -> Vec<u16> {
    let begin = first as usize % cpus.len().max(1);
    let turned = cpus.iter().cycle().skip(begin).take(cpus.len());
    turned.take(count as usize).map(|cpu| *cpu as u16).collect()
}

#[cfg(test)]
mod tests {
    use super::{chosen, mask};

    #[test]
    fn as_many_cpus_as_asked_for_and_there() {
        assert_eq!(chosen(&[1, 3, 5], 4, 2), [3, 5]);
        assert_eq!(chosen(&[1, 3, 5], 2, 2), [5, 1]);
        assert_eq!(chosen(&[1, 3], 7, 9), [3, 1]);
        assert!(chosen(&[], 7, 9).is_empty());
    }

    #[test]
    fn a_mask_has_a_bit_for_each_number() {
        assert!(mask(&[]).is_empty());
        assert_eq!(mask(&[0, 3]), [9]);
        assert_eq!(mask(&[63, 64, 129]), [1 << 63, 1, 2]);
    }
}
