//! Filters of system calls (seccomp(2)): the container's profile, and those of the program's own. The
//! kernel judges every call by them; the monitor judges again those that it makes for the guest.

mod check;
mod filter;

use core::sync::atomic::{AtomicU64, Ordering};

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::calls::NUMBERS;
use crate::errno::Errno;

pub use filter::{Filter, Instruction};

/// The architecture of every call of a guest (AUDIT_ARCH_X86_64, <linux/audit.h>).
pub const ARCHITECTURE: u32 = 0xc000_003e;

/// What a filter returns (<linux/seccomp.h>): an action, and 16 bits of data for it.
pub mod action {
    pub const KILL_PROCESS: u32 = 0x8000_0000;
    pub const KILL_THREAD: u32 = 0;
    pub const TRAP: u32 = 0x0003_0000;
    pub const ERRNO: u32 = 0x0005_0000;
    pub const USER_NOTIF: u32 = 0x7fc0_0000;
    pub const TRACE: u32 = 0x7ff0_0000;
    pub const LOG: u32 = 0x7ffc_0000;
    pub const ALLOW: u32 = 0x7fff_0000;

    /// The action's own bits.
    pub const MASK: u32 = 0xffff_0000;
    /// The data's.
    pub const DATA: u32 = 0xffff;
}

/// All filters of a thread have at most this many instructions, each filter counting
/// [`OVERHEAD`] more (MAX_INSNS_PER_PATH).
const MOST: usize = (1 << 18) / size_of::<Instruction>();
const OVERHEAD: usize = 4;

/// A call as filters see it: the words of `struct seccomp_data` (<linux/seccomp.h>).
#[derive(Debug, Clone, Copy)]
pub struct Data {
    words: [Option<u32>; Data::WORDS],
}

impl Data {
    pub(crate) const WORDS: usize = 16;

    /// What is known of the call: all words of an argument, or none.
    pub fn new(number: u32, from: Option<u64>, args: [Option<u64>; 6]) -> Data {
        let mut words = [None; Data::WORDS];
        words[0] = Some(number);
        words[1] = Some(ARCHITECTURE);
        for (pair, value) in words[2..]
            .chunks_exact_mut(2)
            .zip([from].iter().chain(&args))
        {
            pair[0] = value.map(|value| value as u32);
            pair[1] = value.map(|value| (value >> 32) as u32);
        }
        Data { words }
    }

    /// Nothing but the number.
    pub fn of_number(number: u32) -> Data {
        Data::new(number, None, [None; 6])
    }

    pub(crate) fn word(&self, index: usize) -> Option<u32> {
        self.words.get(index).copied().flatten()
    }
}

/// The filters of a thread, the oldest first. All of them judge.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    filters: Vec<Arc<Filter>>,
}

impl Filters {
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// ENOMEM beyond what Linux takes.
    pub fn add(&mut self, filter: Filter) -> Result<(), Errno> {
        self.push(Arc::new(filter))
    }

    fn push(&mut self, filter: Arc<Filter>) -> Result<(), Errno> {
        let lengths = self.filters.iter().map(|filter| filter.len() + OVERHEAD);
        if lengths.sum::<usize>() + filter.len() > MOST {
            return Err(Errno::ENOMEM);
        }
        self.filters.push(filter);
        Ok(())
    }

    /// Adds others, which are newer. ENOMEM as for [`Filters::add`], with some added.
    pub fn extend(&mut self, others: &Filters) -> Result<(), Errno> {
        others
            .filters
            .iter()
            .try_for_each(|filter| self.push(Arc::clone(filter)))
    }

    /// Whether these are those, or those and more.
    pub fn begin_with(&self, others: &Filters) -> bool {
        let same = |(one, other): (&Arc<Filter>, &Arc<Filter>)| Arc::ptr_eq(one, other);
        self.len() >= others.len() && self.filters.iter().zip(&others.filters).all(same)
    }

    /// The verdict on a call of which everything is known: of all filters' the one that comes first in
    /// [`action`], by the newest filter that has it. `None`: it depends on what is not known.
    pub fn judge(&self, data: &Data) -> Option<u32> {
        let mut verdict = action::ALLOW;
        for filter in self.filters.iter().rev() {
            let other = filter.run(data)?;
            if rank(other) < rank(verdict) {
                verdict = other;
            }
        }
        Some(verdict)
    }

    /// Whether a call may be made, as far as that can be told from what is known of it.
    pub fn may_pass(&self, data: &Data) -> bool {
        let passes = |verdict| rank(verdict) >= rank(action::LOG);
        self.filters
            .iter()
            .all(|filter| filter.run(data).is_none_or(passes))
    }

    /// For the other side, but for the first ones: of each filter its length, then its instructions.
    pub fn to_words(&self, first: usize) -> Vec<u64> {
        let mut words = Vec::new();
        for filter in self.filters.iter().skip(first) {
            words.push(filter.len() as u64);
            words.extend(filter.instructions().iter().map(|one| one.to_word()));
        }
        words
    }

    /// EINVAL for words that are no filters.
    pub fn from_words(mut words: &[u64]) -> Result<Filters, Errno> {
        let mut filters = Filters::default();
        while let Some((length, rest)) = words.split_first() {
            let length = usize::try_from(*length).map_err(|_| Errno::EINVAL)?;
            let (program, rest) = rest.split_at_checked(length).ok_or(Errno::EINVAL)?;
            let program = program.iter().map(|word| Instruction::from_word(*word));
            filters.add(Filter::new(program.collect())?)?;
            words = rest;
        }
        Ok(filters)
    }
}

/// Actions compare as signed numbers: killing the process comes first.
fn rank(verdict: u32) -> i32 {
    (verdict & action::MASK) as i32
}

/// Calls that need no judging.
#[derive(Debug)]
pub struct Gate([AtomicU64; NUMBERS / 64]);

impl Gate {
    /// None does.
    pub const fn open() -> Gate {
        Gate([const { AtomicU64::new(!0) }; NUMBERS / 64])
    }

    /// Numbers beyond the table's are judged, unless the gate is open.
    #[inline]
    pub fn passes(&self, number: u32) -> bool {
        let word = number as usize / 64;
        let bit = number % 64;
        match self.0.get(word) {
            Some(word) => word.load(Ordering::Relaxed) >> bit & 1 != 0,
            None => self.is_open(),
        }
    }

    pub fn copy(&self) -> Gate {
        Gate(core::array::from_fn(|word| {
            AtomicU64::new(self.0[word].load(Ordering::Relaxed))
        }))
    }

    #[cold]
    fn is_open(&self) -> bool {
        self.0.iter().all(|word| word.load(Ordering::Relaxed) == !0)
    }

    /// Lets pass only what the filters allow whatever the arguments are.
    pub fn narrow(&self, filters: &Filters) {
        for number in 0..NUMBERS as u32 {
            if filters.judge(&Data::of_number(number)) != Some(action::ALLOW) {
                self.close(number);
            }
        }
    }

    /// Lets pass no others than these.
    pub fn restrict(&self, numbers: &[u32]) {
        let others = (0..NUMBERS as u32).filter(|number| !numbers.contains(number));
        others.for_each(|number| self.close(number));
    }

    fn close(&self, number: u32) {
        self.0[number as usize / 64].fetch_and(!(1 << (number % 64)), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD_NUMBER: Instruction = Instruction::new(0x20, 0, 0, 0);
    const LOAD_FIRST: Instruction = Instruction::new(0x20, 0, 0, 16);

    fn give(verdict: u32) -> Instruction {
        Instruction::new(0x06, 0, 0, verdict)
    }

    fn filter(program: &[Instruction]) -> Filter {
        Filter::new(program.to_vec()).unwrap()
    }

    /// `verdict` for the number, ALLOW for others.
    fn on_number(number: u32, verdict: u32) -> Filter {
        let test = Instruction::new(0x15, 0, 1, number);
        filter(&[LOAD_NUMBER, test, give(verdict), give(action::ALLOW)])
    }

    /// ERRNO for the number if the first argument is that.
    fn on_argument(number: u32, value: u32) -> Filter {
        filter(&[
            LOAD_NUMBER,
            Instruction::new(0x15, 0, 3, number),
            LOAD_FIRST,
            Instruction::new(0x15, 0, 1, value),
            give(action::ERRNO | 1),
            give(action::ALLOW),
        ])
    }

    #[test]
    fn the_first_action_wins_and_of_equal_ones_the_newest() {
        let mut filters = Filters::default();
        for verdict in [
            action::ERRNO | 1,
            action::LOG,
            action::ERRNO | 2,
            action::TRACE,
        ] {
            filters.add(on_number(7, verdict)).unwrap();
        }
        let judge = |filters: &Filters| filters.judge(&Data::of_number(7));
        assert_eq!(judge(&filters), Some(action::ERRNO | 2));
        filters.add(on_number(7, action::KILL_THREAD)).unwrap();
        assert_eq!(judge(&filters), Some(action::KILL_THREAD));
        filters.add(on_number(7, action::KILL_PROCESS)).unwrap();
        assert_eq!(judge(&filters), Some(action::KILL_PROCESS));
        assert_eq!(filters.judge(&Data::of_number(8)), Some(action::ALLOW));
    }

    #[test]
    fn what_depends_on_an_argument_is_not_told_without_it() {
        let mut filters = Filters::default();
        filters.add(on_argument(7, 3)).unwrap();
        let data = |first| Data::new(7, Some(0), [Some(first); 6]);
        assert_eq!(filters.judge(&Data::of_number(7)), None);
        assert_eq!(filters.judge(&data(3)), Some(action::ERRNO | 1));
        assert_eq!(filters.judge(&data(4)), Some(action::ALLOW));
        assert!(filters.may_pass(&Data::of_number(7)));
        assert!(!filters.may_pass(&data(3)));
        let gate = Gate::open();
        assert!(gate.passes(7) && gate.passes(NUMBERS as u32));
        gate.narrow(&filters);
        assert!(!gate.passes(7) && gate.passes(8) && !gate.passes(NUMBERS as u32));
        gate.restrict(&[7, 9]);
        assert!(!gate.passes(7) && !gate.passes(8) && gate.passes(9));
    }

    #[test]
    fn only_allow_and_log_pass() {
        for (verdict, passes) in [
            (action::KILL_PROCESS, false),
            (action::KILL_THREAD, false),
            (action::TRAP, false),
            (action::ERRNO, false),
            (action::USER_NOTIF, false),
            (action::TRACE, false),
            (action::LOG, true),
            (action::ALLOW, true),
        ] {
            let mut filters = Filters::default();
            filters.add(on_number(1, verdict)).unwrap();
            assert_eq!(
                filters.may_pass(&Data::of_number(1)),
                passes,
                "{verdict:#x}"
            );
        }
    }

    #[test]
    fn filters_travel() {
        let mut filters = Filters::default();
        filters.add(on_number(7, action::TRAP)).unwrap();
        filters.add(on_argument(9, 1)).unwrap();
        let again = Filters::from_words(&filters.to_words(0)).unwrap();
        assert_eq!(again.to_words(0), filters.to_words(0));
        assert_eq!(again.judge(&Data::of_number(7)), Some(action::TRAP));
        for bad in [&[5, 6][..], &[u64::MAX], &[0], &[1, 0x20]] {
            assert_eq!(
                Filters::from_words(bad).unwrap_err(),
                Errno::EINVAL,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_thread_has_so_many_instructions() {
        let mut filters = Filters::default();
        let long = || {
            let mut program = vec![LOAD_NUMBER; filter::MOST - 1];
            program.push(give(action::ALLOW));
            filter(&program)
        };
        for _ in 0..7 {
            filters.add(long()).unwrap();
        }
        assert_eq!(filters.add(long()), Err(Errno::ENOMEM));
    }
}
