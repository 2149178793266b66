//! How many threads the process may have: the container's limit and that of its user are the monitor's to keep,
//! which is asked for some at a time.

use core::sync::atomic::{AtomicU32, Ordering};

use pinion_abi::calls::machine;
use pinion_abi::Errno;

use super::scheduler;
use crate::boot;
use crate::channel;
use crate::syscalls::limits;

/// The first thread is there with the process.
static GRANTED: AtomicU32 = AtomicU32::new(1);

/// How many are asked for at once; 0: there is no limit.
fn unit() -> u32 {
    let unit = boot::info().task_unit;
    match limits::soft(limits::NPROC) {
        u64::MAX => unit,
        // Whether it holds the user is the monitor's to know.
        most => {
            let own = (most / 64).clamp(1, 32) as u32;
            if unit == 0 {
                own
            } else {
                own.min(unit)
            }
        }
    }
}

fn ask(threads: u32) -> Result<(), Errno> {
    let args = [u64::from(threads), 0, 0, 0, 0];
    channel::result(channel::machine_call(machine::TASKS, args))?;
    GRANTED.store(threads, Ordering::Relaxed);
    Ok(())
}

/// There shall be one more; EAGAIN.
pub fn reserve() -> Result<(), Errno> {
    let unit = unit();
    let needed = scheduler::count() as u32 + 1;
    if unit == 0 || needed <= GRANTED.load(Ordering::Relaxed) {
        return Ok(());
    }
    ask(needed + unit - 1).or_else(|_| ask(needed))
}

/// There are only so many left.
pub fn give_back(left: u32) {
    let unit = unit();
    let spare = GRANTED.load(Ordering::Relaxed).saturating_sub(left);
    if unit > 0 && spare >= (2 * unit - 1) {
        // What is not given back is counted for longer.
        let _ = ask(left + unit - 1);
    }
}

/// The process is another one, with one thread.
pub fn begin() {
    GRANTED.store(1, Ordering::Relaxed);
}
