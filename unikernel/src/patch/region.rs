//! The memory that trampolines are put into, and the way back from there to the program's own addresses.

use alloc::vec::Vec;

use super::scan::Kind;
use super::trampoline::{Patch, PlanError};

/// Instructions of one span, the site, and the jump back.
pub const MARKS: usize = 12;
/// Two quads at the start hold the addresses of the kernel's entries.
const SLOTS: u32 = 16;
const ALIGN: u32 = 8;

/// The trampolines of text that lies within 2 GiB of them, at addresses `base..base + capacity`.
/// This is the book-keeping; the bytes are written by whoever applies a patch.
#[derive(Debug)]
pub struct TrampolineRegion {
    pub base: u64,
    /// Bytes.
    pub capacity: u32,
    /// Bytes taken from the start.
    pub used: u32,
    /// In the order of their addresses in the region.
    entries: Vec<Entry>,
}

/// One trampoline. `marks` pair its instructions with those of the text.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The address of the span.
    pub text: u64,
    /// The address of the `syscall` or `cpuid`.
    pub site: u64,
    pub span: u8,
    /// The trampoline's offset in the region.
    pub at: u32,
    pub len: u8,
    pub marks: [Mark; MARKS],
    pub marked: u8,
}

/// The instruction at offset `code` of the trampoline does what the one at offset `text` of the span did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    pub code: u8,
    pub text: u8,
}

impl Entry {
    fn marks(&self) -> &[Mark] {
        &self.marks[..usize::from(self.marked)]
    }
}

impl TrampolineRegion {
    pub fn new(base: u64, capacity: u32) -> Self {
        Self {
            base,
            capacity,
            used: SLOTS,
            entries: Vec::new(),
        }
    }

    /// The first bytes of the region, to be written before any patch is applied: the addresses of the
    /// kernel's entries for `syscall` and `cpuid`.
    pub fn slots(syscall_entry: u64, cpuid_entry: u64) -> [u8; SLOTS as usize] {
        let mut bytes = [0; SLOTS as usize];
        bytes[..8].copy_from_slice(&syscall_entry.to_le_bytes());
        bytes[8..].copy_from_slice(&cpuid_entry.to_le_bytes());
        bytes
    }

    /// The address of the quad with the kernel's entry.
    pub(super) fn slot(&self, kind: Kind) -> u64 {
        self.base + if kind == Kind::Syscall { 0 } else { 8 }
    }

    /// Where the next trampoline goes.
    pub(super) fn next(&self) -> u64 {
        self.base
            .wrapping_add(self.used.next_multiple_of(ALIGN).into())
    }

    /// Books `entry` at [`Self::next`].
    pub(super) fn take(&mut self, mut entry: Entry) -> Result<(), PlanError> {
        entry.at = self.used.next_multiple_of(ALIGN);
        let end = entry
            .at
            .checked_add(entry.len.into())
            .ok_or(PlanError::Full)?;
        if end > self.capacity {
            return Err(PlanError::Full);
        }
        self.used = end;
        self.entries.push(entry);
        Ok(())
    }

    /// The address in the program's own text that corresponds to `rip` in a trampoline: for signal frames and
    /// fault reports. The registers are as they were there, but for `rcx` (`rbx` at a cpuid), which the
    /// instruction there overwrites anyway. `None` outside of trampolines.
    pub fn original(&self, rip: u64) -> Option<u64> {
        let offset = u32::try_from(rip.checked_sub(self.base)?).ok()?;
        let index = self
            .entries
            .partition_point(|entry| entry.at <= offset)
            .checked_sub(1)?;
        let entry = &self.entries[index];
        let inside = offset - entry.at;
        if inside >= u32::from(entry.len) {
            return None;
        }
        let mark = entry
            .marks()
            .iter()
            .rev()
            .find(|mark| u32::from(mark.code) <= inside)?;
        Some(entry.text.wrapping_add(mark.text.into()))
    }

    /// Where a thread goes on that stood, or arrives, at the instruction `rip` inside a patched span,
    /// whose bytes are gone. `None` where the bytes are still the program's, and at a span's first byte.
    pub fn relocated(&self, rip: u64) -> Option<u64> {
        self.entries.iter().find_map(|entry| {
            let inside = rip
                .checked_sub(entry.text)
                .filter(|inside| (1..entry.span.into()).contains(inside))?;
            let mark = entry
                .marks()
                .iter()
                .find(|mark| u64::from(mark.text) == inside)?;
            Some(
                self.base
                    .wrapping_add(entry.at.into())
                    .wrapping_add(mark.code.into()),
            )
        })
    }

    /// Where a thread makes its system call anew, with `rax` set again. `back` is the `rcx` that the kernel was
    /// entered with. Mostly `back - 2`, where the `syscall` still stands.
    pub fn restart(&self, back: u64) -> u64 {
        let site = self.original(back).unwrap_or(back).wrapping_sub(2);
        self.relocated(site).unwrap_or(site)
    }

    /// Takes back the last plan, whose bytes could not be written.
    pub fn undo(&mut self, patch: &Patch) {
        if self
            .entries
            .last()
            .is_some_and(|entry| entry.text == patch.at)
        {
            self.used = self.entries.pop().map_or(self.used, |entry| entry.at);
        }
    }

    /// The site at address `site` has a trampoline already: what trapped there was a jump to its own bytes.
    pub fn is_patched(&self, site: u64) -> bool {
        self.entries.iter().any(|entry| entry.site == site)
    }

    /// Forgets the trampolines of text that is unmapped or written anew at `start..end`. Their room stays taken,
    /// since a thread may still be in one.
    pub fn forget(&mut self, start: u64, end: u64) {
        self.entries.retain(|entry| {
            entry.text >= end || entry.text.wrapping_add(entry.span.into()) <= start
        });
    }

    /// Patched spans, as (address, bytes).
    pub fn spans(&self) -> impl Iterator<Item = (u64, usize)> + '_ {
        self.entries
            .iter()
            .map(|entry| (entry.text, entry.span.into()))
    }
}
