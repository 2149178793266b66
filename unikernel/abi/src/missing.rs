//! What the program asked for that Pinion does not have, counted: one page that all microVMs of a
//! container share, and that `pinion events --missing` reads as a file.
//!
//! Kernels write it, so its reader takes it as what a guest says of itself, and no more.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::calls::NUMBERS;
use crate::layout::PAGE;

/// How many commands of calls are told apart.
const COMMANDS: usize = 128;

/// At [`crate::layout::physical::MISSING`]; zeros at first.
#[repr(C)]
pub struct Missing {
    /// By number: calls that were refused.
    calls: [AtomicU32; NUMBERS],
    commands: [Command; COMMANDS],
}

/// A command of a call (ioctl(2), prctl(2)) that was refused.
#[repr(C)]
struct Command {
    /// The call's number plus 1 in the high half, the command in the low one; 0: free.
    key: AtomicU64,
    count: AtomicU64,
}

/// The file may be longer: what stands behind is the monitors' own.
pub const MISSING_BYTES: u64 = PAGE;

const _: () = assert!(size_of::<Missing>() as u64 == MISSING_BYTES);

/// One thing that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub call: u32,
    pub command: Option<u32>,
    pub count: u64,
}

impl Missing {
    pub fn count(&self, call: u32) {
        if let Some(counter) = self.calls.get(call as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a command; those for which there is no room are counted as their calls.
    pub fn count_command(&self, call: u32, command: u32) {
        let key = (u64::from(call) + 1) << 32 | u64::from(command);
        for entry in &self.commands {
            let taken = entry
                .key
                .compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed);
            if taken.is_ok() || taken == Err(key) {
                entry.count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.count(call);
    }

    /// All that was counted: calls by number, then commands as they came first.
    pub fn refused(&self) -> impl Iterator<Item = Refused> + '_ {
        let calls = self.calls.iter().enumerate().map(|(call, count)| Refused {
            call: call as u32,
            command: None,
            count: u64::from(count.load(Ordering::Relaxed)),
        });
        let commands = self.commands.iter().map(|entry| {
            let key = entry.key.load(Ordering::Relaxed);
            Refused {
                call: ((key >> 32) as u32).wrapping_sub(1),
                command: Some(key as u32),
                count: entry.count.load(Ordering::Relaxed),
            }
        });
        calls.chain(commands).filter(|refused| refused.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_commands_are_counted_apart() {
        // SAFETY: zeros are a value of every counter.
        let missing: Missing = unsafe { core::mem::zeroed() };
        missing.count(206);
        missing.count(206);
        missing.count(100_000);
        missing.count_command(16, 0x1234);
        missing.count_command(16, 0x1234);
        missing.count_command(157, 0);
        let found: Vec<_> = missing.refused().collect();
        let expected = [(206, None, 2), (16, Some(0x1234), 2), (157, Some(0), 1)];
        let expected = expected.map(|(call, command, count)| Refused {
            call,
            command,
            count,
        });
        assert_eq!(found, expected);
        for command in 0..1000 {
            missing.count_command(72, command);
        }
        assert_eq!(
            missing.refused().map(|refused| refused.count).sum::<u64>(),
            1005
        );
    }
}
