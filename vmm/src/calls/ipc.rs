//! Semaphores, messages and shared memory of System V, and POSIX message queues: the host's, in the
//! container's IPC namespace.

use pinion_abi::calls::commands;
use pinion_abi::Errno;

use super::sys::{self, Outcome};
use super::{decode, Call};

/// How many semaphores a set has (semctl(2), IPC_STAT).
pub(super) fn semaphores(set: u64) -> Result<usize, Errno> {
    let mut state = [0u8; commands::SET_BYTES];
    let to = state.as_mut_ptr() as u64;
    let args = [set, 0, commands::IPC_STAT.into(), to, 0, 0];
    // SAFETY: the kernel writes one struct semid64_ds, which is as long as `state`.
    unsafe { sys::call(libc::SYS_semctl, args) }?;
    Ok(decode::number(&state, commands::SET_COUNT) as usize)
}

/// mq_notify(2). A signal comes to the monitor as others do. That a thread be told goes by a socket and an
/// address of the caller's, which here would be the monitor's.
pub(super) fn mq_notify(call: &mut Call) -> Outcome {
    if let Ok(event) = call.args.data(1) {
        // struct sigevent: `sigev_notify` at 12.
        let notify = decode::number(event, 12) as u32 as i32;
        if notify != libc::SIGEV_SIGNAL && notify != libc::SIGEV_NONE {
            return Err(Errno::ENOSYS.into());
        }
    }
    call.make()
}
