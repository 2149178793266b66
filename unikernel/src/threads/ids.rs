//! Ids of threads other than the first. A process-shared lock names its owner by such an id, in 30 bits,
//! so they must differ between the processes of a container, which have no table in common: an id
//! is made from the pid, and tells it.

use spin::Mutex;

use super::scheduler;
use crate::boot;

/// Ids other than the process's own begin above the host's largest pid (PID_MAX_LIMIT).
const FIRST: u32 = 1 << 22;
/// As many belong to each pid: the last one of the last pid is FUTEX_TID_MASK.
const BLOCK: u32 = 255;
/// Blocks of pids from here on are for the further threads of processes that have many: few hosts
/// come to such pids.
const SPARE: u32 = 1 << 21;

/// How many ids were given out, of the process's own block and of spare ones.
static GIVEN: Mutex<(u32, u32)> = Mutex::new((0, 0));

/// An id that no thread of this process has.
pub fn next() -> u32 {
    let pid = boot::info().process.pid;
    let mut given = GIVEN.lock();
    let few = scheduler::count() < BLOCK as usize;
    for _ in 0..if few { BLOCK } else { 0 } {
        let id = FIRST + pid * BLOCK + given.0;
        given.0 = (given.0 + 1) % BLOCK;
        if scheduler::find(id).is_none() {
            return id;
        }
    }
    loop {
        let block = given.1 / BLOCK;
        // Apart from those of the next pids: by the golden ratio (Knuth's multiplicative hash).
        let chosen = (pid ^ block << 12).wrapping_mul(0x9e37_79b1) % SPARE;
        let id = FIRST + (SPARE + chosen) * BLOCK + given.1 % BLOCK;
        given.1 = (given.1 + 1) % (SPARE / 8);
        if scheduler::find(id).is_none() {
            return id;
        }
    }
}

/// The process whose thread has this id, as far as the id tells.
pub fn process(id: u32) -> Option<u32> {
    match id.checked_sub(FIRST) {
        None => Some(id),
        Some(other) => Some(other / BLOCK).filter(|pid| *pid < SPARE),
    }
}
