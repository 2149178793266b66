//! The system calls. [`pinion_abi::calls`] has a row for each; rows marked `guest` name a handler
//! in one of the modules here, rows marked `host` go to the monitor by [`host`].

mod exec;
mod filters;
mod futex;
mod host;
pub mod limits;
mod mapped;
mod memory;
pub mod process;
mod residence;
mod shm;
mod signal;
mod sockets;
pub mod threads;
pub mod time;

use pinion_abi::calls::{Arg, Wait, NUMBERS};
use pinion_abi::{for_each_call, Errno};

use core::sync::atomic::Ordering;

use crate::arch::{self, Frame};
use crate::seccomp::{self, Verdict};
use crate::signals::{self, Restart};
use crate::threads::{current, scheduler};
use crate::{boot, channel, text, vcpus};

/// The handlers of the rows marked `guest`, each under its row's name.
mod guest {
    pub use super::exec::*;
    pub use super::filters::*;
    pub use super::futex::*;
    pub use super::limits::*;
    pub use super::memory::*;
    pub use super::process::*;
    pub use super::residence::*;
    pub use super::shm::*;
    pub use super::signal::*;
    pub use super::sockets::*;
    pub use super::threads::*;
    pub use super::time::*;
}

type Handler = fn(&mut Frame) -> Result<u64, Errno>;

#[derive(Clone, Copy)]
enum Entry {
    Missing,
    Guest(Handler),
    Host(Wait, &'static [Arg]),
    Refused(Errno),
}

macro_rules! entry {
    ($name:ident guest) => {
        Entry::Guest(guest::$name)
    };
    ($name:ident either $wait:ident [$($arg:ident $(($($parameter:literal),*))?)*]) => {
        Entry::Guest(guest::$name)
    };
    ($name:ident refused $errno:ident $why:literal) => {
        Entry::Refused(Errno::$errno)
    };
    ($name:ident host $wait:ident [$($arg:ident $(($($parameter:literal),*))?)*]) => {
        Entry::Host(Wait::$wait, &[$(Arg::$arg $(($($parameter),*))?),*])
    };
}

macro_rules! dispatch {
    ($($number:literal $name:ident ($($way:tt)*))*) => {
        static ENTRIES: [Entry; NUMBERS] = {
            let mut entries = [Entry::Missing; NUMBERS];
            $(entries[$number] = entry!($name $($way)*);)*
            entries
        };
    };
}

for_each_call!(dispatch);

/// Called by the entry code: `original` is the call's number, `error` is 1 if it was trapped.
pub extern "C" fn system_call(frame: &mut Frame) -> Return {
    let counters = boot::counters();
    if counters.first_call_at.load(Ordering::Relaxed) == 0 {
        counters
            .first_call_at
            .store(arch::ticks(), Ordering::Relaxed);
    }
    // A call's number is the low half of rax (arch/x86/entry/common.c).
    let number = frame.original as u32 as usize;
    if is_plain(frame, number) {
        boot::count(&counters.patched_calls);
        frame.r11 = frame.flags;
        let id = match number {
            GETTID => current().id(),
            _ => boot::info().process.pid,
        };
        frame.rax = u64::from(id);
        return Return::Quick;
    }
    vcpus::enter();
    let way = serve(frame, number);
    scheduler::share();
    vcpus::leave();
    way
}

/// Whether a number is all that there is to answer.
fn is_plain(frame: &Frame, number: usize) -> bool {
    frame.error == 0
        && UNLOCKED.contains(&number)
        && seccomp::passes(number as u32)
        && !channel::is_kicked()
}

fn serve(frame: &mut Frame, number: usize) -> Return {
    let counters = boot::counters();
    if frame.error != 0 {
        boot::count(&counters.trapped_calls);
        frame.rip = text::trapped(frame.rip);
    } else {
        boot::count(&counters.patched_calls);
        frame.r11 = frame.flags;
    }
    let (result, made) = match seccomp::judge(frame, number as u32) {
        Verdict::Pass => (make(frame, number), true),
        Verdict::Result(result) => (result, false),
        Verdict::Trapped => {
            signals::spread();
            return Return::Quick;
        }
    };
    frame.rax = match result {
        Ok(value) => value,
        Err(Errno::ERESTARTNOHAND | Errno::ERESTARTNOINTR) => Errno::EINTR.as_result() as u64,
        Err(errno) => errno.as_result() as u64,
    };
    if channel::should_give_way() {
        scheduler::give_way();
    }
    if number == RT_SIGRETURN {
        signals::deliver(frame, Restart::No);
        signals::spread();
        return Return::Full;
    }
    let restart = match result {
        _ if !made => Restart::No,
        Err(Errno::ERESTARTNOINTR) => Restart::Anyway,
        Err(Errno::ERESTARTNOHAND) => Restart::Always,
        Err(Errno::EINTR) if ALONE.contains(&number) => Restart::Always,
        Err(Errno::EINTR) => Restart::IfWanted,
        _ => Restart::No,
    };
    if restart != Restart::No || signals::interrupts(current()) {
        signals::deliver(frame, restart);
    }
    signals::spread();
    Return::Quick
}

fn make(frame: &mut Frame, number: usize) -> Result<u64, Errno> {
    let entry = ENTRIES.get(number).copied().unwrap_or(Entry::Missing);
    let result = match entry {
        Entry::Guest(handler) => handler(frame),
        Entry::Host(wait, kinds) => host::call(number as u32, wait, kinds, frame.args()),
        Entry::Refused(errno) => Err(errno),
        Entry::Missing => Err(Errno::ENOSYS),
    };
    if result == Err(Errno::ENOSYS) || matches!(entry, Entry::Refused(_)) {
        boot::missing().count(number as u32);
    }
    result
}

const RT_SIGRETURN: usize = 15;
const GETPID: usize = 39;
const GETTID: usize = 186;
/// Calls that need neither the kernel's lock nor the program's memory.
const UNLOCKED: [usize; 2] = [GETPID, GETTID];
/// Calls that are not made again after a handler, whatever it wants (signal(7)): poll, pause,
/// nanosleep and their kin.
const ALONE: [usize; 12] = [7, 23, 34, 35, 128, 130, 230, 232, 270, 271, 281, 441];

/// How the entry code goes back to the program.
#[repr(u64)]
pub enum Return {
    /// rcx and r11 are lost, as a system call loses them.
    Quick = 0,
    /// With every register: the program was not in a system call.
    Full = 1,
}
