//! Which programs are filters: what bpf_check_classic and seccomp_check_filter (Linux's
//! net/core/filter.c, kernel/seccomp.c) look at.

use super::filter::code::*;
use super::filter::{Instruction, MEMORY, MOST};
use super::Data;
use crate::errno::Errno;

pub(super) fn check(program: &[Instruction]) -> Result<(), Errno> {
    if program.is_empty() || program.len() > MOST {
        return Err(Errno::EINVAL);
    }
    let ends = program
        .last()
        .is_some_and(|last| matches!(last.code, RETURN | RETURN_A));
    // Words of memory that are surely written before each instruction.
    let mut written = [!0u16; MOST];
    let mut now = 0u16;
    for (place, instruction) in program.iter().enumerate() {
        let Instruction { code, jt, jf, k } = *instruction;
        now &= written[place];
        let left = program.len() - place - 1;
        let in_memory = (k as usize) < MEMORY;
        let is_good = match code {
            LOAD => k % 4 == 0 && (k as usize) < 4 * Data::WORDS,
            LOAD_MEMORY | INDEX_MEMORY => in_memory && now >> k & 1 != 0,
            STORE | STORE_X => {
                if in_memory {
                    now |= 1 << k;
                }
                in_memory
            }
            DIVIDE => k != 0,
            LEFT | RIGHT => k < 32,
            JUMP => {
                let is_inside = (k as usize) < left;
                if is_inside {
                    written[place + 1 + k as usize] &= now;
                }
                now = !0;
                is_inside
            }
            EQUAL | EQUAL_X | GREATER | GREATER_X | FROM | FROM_X | SET | SET_X => {
                let (taken, other) = (usize::from(jt), usize::from(jf));
                let is_inside = taken < left && other < left;
                if is_inside {
                    written[place + 1 + taken] &= now;
                    written[place + 1 + other] &= now;
                }
                now = !0;
                is_inside
            }
            RETURN | RETURN_A | LOAD_LENGTH | LOAD_CONSTANT | INDEX_LENGTH | INDEX_CONSTANT
            | A_TO_X | X_TO_A | ADD | ADD_X | SUBTRACT | SUBTRACT_X | MULTIPLY | MULTIPLY_X
            | DIVIDE_X | OR | OR_X | AND | AND_X | LEFT_X | RIGHT_X | NEGATE | XOR | XOR_X => true,
            _ => false,
        };
        if !is_good {
            return Err(Errno::EINVAL);
        }
    }
    if ends {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: (u16, u8, u8, u32) = (RETURN, 0, 0, 0);

    fn is_filter(program: &[(u16, u8, u8, u32)]) -> bool {
        let program = program.iter();
        let program = program.map(|(code, jt, jf, k)| Instruction::new(*code, *jt, *jf, *k));
        check(&program.collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn programs() {
        assert!(is_filter(&[END]));
        assert!(is_filter(&[(LOAD, 0, 0, 60), END]));
        assert!(is_filter(&[(EQUAL, 1, 0, 1), END, END]));
        assert!(is_filter(&[(STORE, 0, 0, 3), (LOAD_MEMORY, 0, 0, 3), END]));
        // Both ways write the word.
        assert!(is_filter(&[
            (EQUAL, 0, 2, 1),
            (STORE, 0, 0, 3),
            (JUMP, 0, 0, 1),
            (STORE, 0, 0, 3),
            (LOAD_MEMORY, 0, 0, 3),
            END
        ]));
    }

    #[test]
    fn what_is_none() {
        for program in [
            &[][..],
            &[(LOAD, 0, 0, 0)],
            &[(LOAD, 0, 0, 2), END],
            &[(LOAD, 0, 0, 64), END],
            &[(0x28, 0, 0, 0), END], // half a word
            &[(0x40, 0, 0, 0), END], // by the index register
            &[(0x94, 0, 0, 3), END], // a remainder
            &[(DIVIDE, 0, 0, 0), END],
            &[(LEFT, 0, 0, 32), END],
            &[(JUMP, 0, 0, 1), END],
            &[(JUMP, 0, 0, u32::MAX), END],
            &[(EQUAL, 1, 0, 0), END],
            &[(EQUAL, 0, 1, 0), END],
            &[(STORE, 0, 0, 16), END],
            &[(LOAD_MEMORY, 0, 0, 0), END],
            &[
                (EQUAL, 0, 1, 1),
                (STORE, 0, 0, 3),
                (LOAD_MEMORY, 0, 0, 3),
                END,
            ],
            &[END; MOST + 1],
        ] {
            assert!(!is_filter(program), "{program:?}");
        }
        assert!(is_filter(&[END; MOST]));
    }
}
