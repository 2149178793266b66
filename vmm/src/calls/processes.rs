//! Other processes.

use pinion_abi::Errno;

use super::sys::{self, Outcome};
use super::Call;

/// capget(2). The guest's thread is the process; the thread that serves it is not.
pub(super) fn capget(call: &mut Call) -> Outcome {
    own_process(call)?;
    call.make()
}

/// In struct __user_cap_header_struct, `pid` at 4: the guest's own pid becomes 0, the thread that
/// makes the call.
pub(super) fn own_process(call: &mut Call) -> Result<(), Errno> {
    let header = call.args.data(0)?;
    if let Some(pid) = header.get_mut(4..8) {
        if pid == sys::pid().to_ne_bytes() {
            pid.fill(0);
        }
    }
    Ok(())
}

/// getpriority(2), setpriority(2): PRIO_PROCESS 0 means the guest's thread, which is the process.
pub(super) fn priority(call: &mut Call) -> Outcome {
    let mut words = call.args.words();
    if words[0] as u32 == libc::PRIO_PROCESS && words[1] as i32 == 0 {
        words[1] = sys::pid() as u64;
    }
    // SAFETY: both calls take numbers only.
    Ok(unsafe { sys::call(call.number.into(), words) }?)
}

/// kill(2). A thread of the monitor is no process of the guest's: the host takes its number for the
/// monitor's, and as it blocks signals that pid 1 of a namespace is immune to, they would kill.
pub(super) fn kill(call: &mut Call) -> Outcome {
    let (own, pid) = (sys::pid(), call.args.int(0));
    let probe = [own, pid, 0, 0, 0, 0].map(sys::word);
    // SAFETY: tgkill takes numbers only; signal 0 is none.
    if pid > 0 && pid != own && unsafe { sys::call(libc::SYS_tgkill, probe) }.is_ok() {
        return Err(Errno::ESRCH.into());
    }
    call.make()
}

/// By this signal the C library of a process with threads has each change its ids (setuid(3)); its handler takes
/// what the process itself sends for that, and for a guest the monitor sends.
pub const SETXID: i32 = 33;

/// rt_sigqueueinfo(2), rt_tgsigqueueinfo(2).
pub(super) fn queue_signal(call: &mut Call) -> Outcome {
    let signal = match i64::from(call.number) {
        libc::SYS_rt_sigqueueinfo => call.args.int(1),
        _ => call.args.int(2),
    };
    if signal == SETXID {
        return Err(Errno::EINVAL.into());
    }
    call.make()
}

/// The ids of the guest's own threads begin here: above the host's largest (PID_MAX_LIMIT).
const FIRST_THREAD: u64 = 1 << 22;

/// sched_setscheduler(2) and its kin: 0 and the guest's threads are the process, whose first thread
/// stands for all.
pub(super) fn scheduling(call: &mut Call) -> Outcome {
    let mut words = call.args.words();
    words[0] = process_of(words[0]);
    // SAFETY: what else the calls take are numbers, and the monitor's copies as their rows have them.
    Ok(unsafe { sys::call(call.number.into(), words) }?)
}

fn process_of(thread: u64) -> u64 {
    let id = u64::from(thread as u32);
    if thread as u32 == 0 || (thread as i32 > 0 && id >= FIRST_THREAD) {
        sys::pid() as u64
    } else {
        thread
    }
}

/// process_vm_readv(2), process_vm_writev(2): the memory that they would get at is a monitor's.
pub(super) fn other_memory(call: &mut Call) -> Outcome {
    if call.args.words()[5] != 0 {
        return Err(Errno::EINVAL.into());
    }
    exists(call.args.words()[0])?;
    Err(Errno::EPERM.into())
}

/// kcmp(2): what it would compare is the monitors'.
pub(super) fn kcmp(call: &mut Call) -> Outcome {
    let words = call.args.words();
    exists(words[0])?;
    exists(words[1])?;
    Err(Errno::EPERM.into())
}

/// Whether there is a task of that number; 0 is none.
fn exists(thread: u64) -> Result<(), Errno> {
    let pid = process_of(thread) as i32;
    if thread as u32 == 0 || pid < 0 {
        return Err(Errno::ESRCH);
    }
    // SAFETY: kill takes numbers only; signal 0 is none.
    match unsafe { sys::call(libc::SYS_kill, [pid, 0, 0, 0, 0, 0].map(sys::word)) } {
        Err(Errno::ESRCH) => Err(Errno::ESRCH),
        _ => Ok(()),
    }
}

/// ioprio_set(2), ioprio_get(2).
pub(super) fn io_priority(call: &mut Call) -> Outcome {
    /// linux/ioprio.h.
    const WHO_PROCESS: u32 = 1;
    let mut words = call.args.words();
    if words[0] as u32 == WHO_PROCESS {
        words[1] = process_of(words[1]);
    }
    // SAFETY: both calls take numbers only.
    Ok(unsafe { sys::call(call.number.into(), words) }?)
}

/// Bytes of the first struct sched_attr (sched_setattr(2)), which is all that is passed on.
const SCHED_ATTR_BYTES: u32 = 48;

/// sched_setattr(2).
pub(super) fn sched_setattr(call: &mut Call) -> Outcome {
    let attributes = call.args.data(1)?;
    let size = attributes.get_mut(..4).ok_or(Errno::EINVAL)?;
    let bytes = u32::from_ne_bytes([size[0], size[1], size[2], size[3]]);
    if bytes != 0 && bytes < SCHED_ATTR_BYTES {
        return Err(Errno::E2BIG.into());
    }
    size.copy_from_slice(&SCHED_ATTR_BYTES.to_ne_bytes());
    scheduling(call)
}

/// sched_getattr(2).
pub(super) fn sched_getattr(call: &mut Call) -> Outcome {
    call.args.data(1)?;
    let mut words = call.args.words();
    if words[2] < u64::from(SCHED_ATTR_BYTES) || words[2] > 4096 {
        return Err(Errno::EINVAL.into());
    }
    words[0] = process_of(words[0]);
    words[2] = SCHED_ATTR_BYTES.into();
    // SAFETY: the buffer is as long as the third argument says.
    Ok(unsafe { sys::call(libc::SYS_sched_getattr, words) }?)
}
