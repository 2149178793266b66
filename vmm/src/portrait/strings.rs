//! The program's arguments and environment as they stand on its stack, where it may write over them
//! (proc(5), cmdline and environ).

use std::sync::atomic::Ordering;

use super::View;

impl View {
    /// The address in this process of the arguments, of which, with the environment, there were so many bytes
    /// at first. None before the kernel has written them, or if their pages are not in a row.
    pub fn strings(&self, bytes: u64) -> Option<u64> {
        let start = self.portrait().strings.load(Ordering::Acquire);
        let end = start.checked_add(bytes)?;
        let (mut first, mut seen) = (None, 0);
        if start != 0 {
            self.walk(start, end, |run| {
                let first = *first.get_or_insert(run.physical);
                let follows = first + seen == run.physical && start + seen == run.start;
                seen += run.bytes;
                follows && !run.is_file
            });
        }
        let physical = first.filter(|_| seen == bytes)?;
        let fits = physical.checked_add(bytes)? <= self.bytes;
        fits.then(|| self.host(physical))
    }

    /// `range` of those bytes.
    pub fn string_bytes(&self, bytes: u64, range: std::ops::Range<u64>) -> Option<Vec<u8>> {
        let start = self.strings(bytes)?;
        let range = range.start.min(bytes)..range.end.min(bytes);
        // SAFETY: `strings` found them in the guest's memory, by `new`'s contract; any value is fine.
        let read = |at: u64| unsafe { ((start + at) as *const u8).read_volatile() };
        Some(range.map(read).collect())
    }
}
