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
