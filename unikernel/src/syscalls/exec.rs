//! execve(2) and execveat(2). The monitor judges the program, and begins anew with it in a process that
//! stays the same: all that is here ends with a call that succeeds.

use core::sync::atomic::Ordering;

use alloc::vec::Vec;

use pinion_abi::boot::{ExecInfo, Inherited, PendingSignal};
use pinion_abi::calls::{machine, PATH_MAX};
use pinion_abi::layout::physical::STRING_BYTES;
use pinion_abi::layout::PHYSICAL;
use pinion_abi::Errno;

use super::{limits, process};
use crate::arch::Frame;
use crate::channel::{self, Owned};
use crate::mm::user;
use crate::seccomp;
use crate::signals;
use crate::threads::current;

const AT_FDCWD: i32 = -100;
/// Whether it could be done, no more (linux/fcntl.h).
const AT_EXECVE_CHECK: u32 = 0x1_0000;
/// All strings and the pointers to them: at most this, whatever the stack's limit is, and at least
/// that (bprm_stack_limits in Linux' fs/exec.c).
const MOST: u64 = 6 << 20;
const LEAST: u64 = 128 << 10;

pub fn execve(frame: &mut Frame) -> Result<u64, Errno> {
    let [path, arguments, environment, ..] = frame.args();
    execute(AT_FDCWD, path, arguments, environment, 0)
}

pub fn execveat(frame: &mut Frame) -> Result<u64, Errno> {
    let [directory, path, arguments, environment, flags, _] = frame.args();
    execute(directory as i32, path, arguments, environment, flags as u32)
}

fn execute(
    directory: i32,
    path: u64,
    arguments: u64,
    environment: u64,
    flags: u32,
) -> Result<u64, Errno> {
    let mut strings = Strings::new();
    match strings.add(path, PATH_MAX.into()) {
        Err(Errno::E2BIG) => return Err(Errno::ENAMETOOLONG),
        added => added?,
    }
    let arguments = pointers(arguments)?;
    let environment = pointers(environment)?;
    let stack = limits::soft(limits::STACK) / 4;
    let count = arguments.len().max(1) + environment.len();
    strings.most = stack
        .clamp(LEAST, MOST)
        .checked_sub(count as u64 * 8)
        .ok_or(Errno::E2BIG)?;
    for string in arguments.iter().chain(&environment) {
        strings.add(*string, STRING_BYTES)?;
    }
    if arguments.is_empty() {
        // Since Linux 5.18 a program has a first argument.
        let at = strings.end_of(1)?;
        strings.bytes.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        strings.bytes.insert(at, 0);
    }
    let (timer_slack, personality) = process::inherited();
    let pending = signals::waiting();
    let filters = seccomp::untold();
    let info = ExecInfo {
        directory,
        flags,
        argc: arguments.len().max(1) as u32,
        envc: environment.len() as u32,
        signals: pending.len() as u32,
        filter_words: filters.len() as u32,
        inherited: Inherited {
            blocked: current().blocked_signals.load(Ordering::Relaxed),
            ignored: signals::ignored(),
            timer_slack,
            personality,
        },
        rlimits: limits::all(),
    };
    if flags & AT_EXECVE_CHECK == 0 && process::holds_locks() {
        // All that can be wrong is found first: then the locks are given up, as the program ends.
        let asked = ExecInfo {
            flags: flags | AT_EXECVE_CHECK,
            ..info
        };
        tell(&asked, &pending, &filters, &strings.bytes)?;
        process::release_locks();
    }
    tell(&info, &pending, &filters, &strings.bytes)
}

/// Asks the monitor; comes back only with an error.
fn tell(
    info: &ExecInfo,
    pending: &[PendingSignal],
    filters: &[u64],
    strings: &[u8],
) -> Result<u64, Errno> {
    let head = size_of::<ExecInfo>();
    let bytes = head + size_of_val(pending) + size_of_val(filters) + strings.len();
    let mut request: Vec<u64> = Vec::new();
    let words = bytes.div_ceil(8);
    request
        .try_reserve_exact(words)
        .map_err(|_| Errno::ENOMEM)?;
    request.resize(words, 0);
    let at = request.as_mut_ptr().cast::<u8>();
    // SAFETY: the request has room for the four, one after the other, and is aligned for the first;
    // the kernel's heap lies in the linear mapping, where what is one piece here is one physically.
    unsafe {
        at.cast::<ExecInfo>().write(*info);
        let signals = at.add(head);
        signals.copy_from_nonoverlapping(pending.as_ptr().cast(), size_of_val(pending));
        let words = signals.add(size_of_val(pending));
        words.copy_from_nonoverlapping(filters.as_ptr().cast(), size_of_val(filters));
        let text = words.add(size_of_val(filters));
        text.copy_from_nonoverlapping(strings.as_ptr(), strings.len());
    }
    let args = [at as u64 - PHYSICAL, bytes as u64, 0, 0, 0, 0];
    channel::share();
    channel::result(Owned::take_here().call_here(machine::EXEC, &args))
}

/// The program's pointers up to NULL; a NULL in place of them all is none.
fn pointers(mut at: u64) -> Result<Vec<u64>, Errno> {
    let mut all = Vec::new();
    if at == 0 {
        return Ok(all);
    }
    loop {
        let pointer: u64 = user::read(at)?;
        if pointer == 0 {
            return Ok(all);
        }
        if all.len() as u64 * 8 >= MOST {
            return Err(Errno::E2BIG);
        }
        all.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        all.push(pointer);
        at += 8;
    }
}

/// Strings that follow each other, each with its final zero byte.
struct Strings {
    bytes: Vec<u8>,
    most: u64,
}

impl Strings {
    fn new() -> Strings {
        Strings {
            bytes: Vec::new(),
            most: MOST,
        }
    }

    /// Adds the program's string at `from`, of at most `longest` bytes.
    fn add(&mut self, from: u64, longest: u64) -> Result<(), Errno> {
        /// A page at a time: most strings are short.
        const STEP: u64 = 256;
        let mut room = STEP.min(longest);
        loop {
            let start = self.bytes.len();
            self.bytes
                .try_reserve(room as usize)
                .map_err(|_| Errno::ENOMEM)?;
            let to = self.bytes.as_mut_ptr() as u64 + start as u64;
            // SAFETY: that much is reserved behind what the vector holds.
            match unsafe { user::copy_string_raw(to, from, room) } {
                Ok(bytes) => {
                    if start as u64 + bytes > self.most {
                        return Err(Errno::E2BIG);
                    }
                    // SAFETY: the copy has filled these bytes.
                    unsafe { self.bytes.set_len(start + bytes as usize) };
                    return Ok(());
                }
                Err(Errno::ENAMETOOLONG) if room < longest => room = (room * 8).min(longest),
                Err(Errno::ENAMETOOLONG) => return Err(Errno::E2BIG),
                Err(error) => return Err(error),
            }
        }
    }

    /// Where the first `count` strings end.
    fn end_of(&self, count: usize) -> Result<usize, Errno> {
        let ends = self
            .bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == 0);
        let last = ends.map(|(at, _)| at + 1).nth(count - 1);
        last.ok_or(Errno::EFAULT)
    }
}
