//! The container's profile, and the filters of the program's own (seccomp(2)): what the kernel in the
//! guest has judged is judged again here, before the host does anything for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pinion_abi::calls::{Arg, Call};
use pinion_abi::seccomp::{Data, Filters, Gate};
use pinion_abi::Errno;

const KILL: u32 = 62;

/// The filters that all threads of the guest have.
#[derive(Debug)]
pub(super) struct Judge {
    /// Open until the program begins: what the kernel needs to load it is not the program's doing.
    gate: Gate,
    filters: Mutex<Filters>,
}

impl Judge {
    pub fn new(filters: Filters) -> Judge {
        Judge {
            gate: Gate::open(),
            filters: Mutex::new(filters),
        }
    }

    /// For a child of vfork(2).
    pub fn copy(&self) -> Judge {
        Judge {
            gate: self.gate.copy(),
            filters: Mutex::new(self.filters().clone()),
        }
    }

    pub fn filters(&self) -> MutexGuard<'_, Filters> {
        self.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges from now on, by these as well.
    pub fn add(&self, others: Filters) -> Result<(), Errno> {
        let mut filters = self.filters();
        filters.extend(&others)?;
        self.gate.narrow(&filters);
        Ok(())
    }

    /// EPERM for a call that no honest kernel would ask for. What depends on a pointer of the program's,
    /// or on a length that was cut to size, is left to the kernel's judgement.
    pub fn judge(&self, row: &Call, kinds: &[Arg], args: &[u64; 6]) -> Result<(), Errno> {
        if self.gate.passes(row.number) {
            return Ok(());
        }
        // By this the kernel does what a signal's default action is.
        if row.number == KILL && args[0] == u64::from(std::process::id()) {
            return Ok(());
        }
        let known = std::array::from_fn(|index| {
            let is_number = matches!(kinds.get(index), Some(Arg::Int | Arg::Fd | Arg::DirFd));
            let is_cut = kinds.iter().any(|kind| cuts(*kind, index));
            (is_number && !is_cut).then_some(args[index])
        });
        match self.filters().may_pass(&Data::new(row.number, None, known)) {
            true => Ok(()),
            false => Err(Errno::EPERM),
        }
    }

    /// Whether one of these calls may pass, whatever its arguments are.
    pub fn may_pass(&self, numbers: &[u32]) -> bool {
        let passes = |number: &u32| {
            self.gate.passes(*number) || self.filters().may_pass(&Data::of_number(*number))
        };
        numbers.iter().any(passes)
    }
}

/// Whether the argument is a length that the kernel may have cut to what a slot has room for.
fn cuts(kind: Arg, index: usize) -> bool {
    match kind {
        Arg::OutLen(at) | Arg::OutItems(_, at) | Arg::OutMessage(at) => usize::from(at) == index,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use pinion_abi::calls;
    use pinion_abi::seccomp::{action, Filter, Instruction};

    use super::*;

    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ARGUMENTS: u32 = 16;

    const LSEEK: u32 = 8;
    const OPENAT: u32 = 257;
    const GETDENTS64: u32 = 217;

    /// A judge that refuses a number if that argument's low half is that value.
    fn judge(number: u32, argument: u32, value: u32) -> Judge {
        let program = [
            (LOAD, 0, 0, 0),
            (EQUAL, 0, 3, number),
            (LOAD, 0, 0, ARGUMENTS + 8 * argument),
            (EQUAL, 0, 1, value),
            (RETURN, 0, 0, action::ERRNO | 1),
            (RETURN, 0, 0, action::ALLOW),
        ];
        let program = program.map(|(code, jt, jf, k)| Instruction::new(code, jt, jf, k));
        let mut filters = Filters::default();
        filters.add(Filter::new(program.to_vec()).unwrap()).unwrap();
        Judge::new(filters)
    }

    fn passes(judge: &Judge, number: u32, args: [u64; 6]) -> bool {
        let row = calls::find(number.into()).unwrap();
        let (_, kinds) = row.host().unwrap();
        judge.judge(row, kinds, &args).is_ok()
    }

    #[test]
    fn nothing_is_judged_before_the_program_begins() {
        let judge = judge(LSEEK, 1, 7);
        assert!(passes(&judge, LSEEK, [3, 7, 0, 0, 0, 0]));
        judge.add(Filters::default()).unwrap();
        assert!(!passes(&judge, LSEEK, [3, 7, 0, 0, 0, 0]));
        assert!(passes(&judge, LSEEK, [3, 8, 0, 0, 0, 0]));
    }

    #[test]
    fn pointers_and_lengths_that_may_be_cut_are_not_judged() {
        for (number, argument, refused) in [
            (OPENAT, 1, false),
            (OPENAT, 2, true),
            (GETDENTS64, 1, false),
            (GETDENTS64, 2, false),
            (GETDENTS64, 0, true),
        ] {
            let judge = judge(number, argument, 7);
            judge.add(Filters::default()).unwrap();
            assert_eq!(
                passes(&judge, number, [7; 6]),
                !refused,
                "{number} {argument}"
            );
        }
    }

    #[test]
    fn a_signal_to_itself_is_no_call_of_the_program() {
        let judge = judge(KILL, 1, 9);
        judge.add(Filters::default()).unwrap();
        assert!(!passes(&judge, KILL, [1, 9, 0, 0, 0, 0]));
        let own = u64::from(std::process::id());
        assert!(passes(&judge, KILL, [own, 9, 0, 0, 0, 0]));
    }

    #[test]
    fn what_other_requests_stand_for() {
        let judge = judge(59, 0, 0);
        judge.add(Filters::default()).unwrap();
        assert!(judge.may_pass(&[59, 322]));
        let program = vec![Instruction::new(RETURN, 0, 0, action::TRAP)];
        let mut all = Filters::default();
        all.add(Filter::new(program).unwrap()).unwrap();
        judge.add(all).unwrap();
        assert!(!judge.may_pass(&[59, 322]));
    }
}
