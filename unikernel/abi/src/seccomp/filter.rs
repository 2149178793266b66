//! One filter: a classic BPF program (Linux's Documentation/networking/filter.rst) over a call.

use alloc::vec::Vec;

use super::{check, Data};
use crate::errno::Errno;

/// The most instructions (BPF_MAXINSNS).
pub(super) const MOST: usize = 4096;
/// Words of scratch memory (BPF_MEMWORDS).
pub(super) const MEMORY: usize = 16;

/// `struct sock_filter` (<linux/filter.h>).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

impl Instruction {
    pub const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
        Instruction { code, jt, jf, k }
    }

    /// As it stands in memory.
    pub fn to_word(self) -> u64 {
        let [a, b] = self.code.to_le_bytes();
        let [e, f, g, h] = self.k.to_le_bytes();
        u64::from_le_bytes([a, b, self.jt, self.jf, e, f, g, h])
    }

    pub fn from_word(word: u64) -> Instruction {
        let [a, b, jt, jf, e, f, g, h] = word.to_le_bytes();
        Instruction {
            code: u16::from_le_bytes([a, b]),
            jt,
            jf,
            k: u32::from_le_bytes([e, f, g, h]),
        }
    }
}

/// What an instruction does. `X` in a name: with the index register in place of the constant.
pub(super) mod code {
    pub const RETURN: u16 = 0x06;
    pub const RETURN_A: u16 = 0x16;
    pub const LOAD: u16 = 0x20;
    pub const LOAD_LENGTH: u16 = 0x80;
    pub const LOAD_CONSTANT: u16 = 0x00;
    pub const LOAD_MEMORY: u16 = 0x60;
    pub const INDEX_LENGTH: u16 = 0x81;
    pub const INDEX_CONSTANT: u16 = 0x01;
    pub const INDEX_MEMORY: u16 = 0x61;
    pub const STORE: u16 = 0x02;
    pub const STORE_X: u16 = 0x03;
    pub const A_TO_X: u16 = 0x07;
    pub const X_TO_A: u16 = 0x87;
    pub const ADD: u16 = 0x04;
    pub const ADD_X: u16 = 0x0c;
    pub const SUBTRACT: u16 = 0x14;
    pub const SUBTRACT_X: u16 = 0x1c;
    pub const MULTIPLY: u16 = 0x24;
    pub const MULTIPLY_X: u16 = 0x2c;
    pub const DIVIDE: u16 = 0x34;
    pub const DIVIDE_X: u16 = 0x3c;
    pub const OR: u16 = 0x44;
    pub const OR_X: u16 = 0x4c;
    pub const AND: u16 = 0x54;
    pub const AND_X: u16 = 0x5c;
    pub const LEFT: u16 = 0x64;
    pub const LEFT_X: u16 = 0x6c;
    pub const RIGHT: u16 = 0x74;
    pub const RIGHT_X: u16 = 0x7c;
    pub const NEGATE: u16 = 0x84;
    pub const XOR: u16 = 0xa4;
    pub const XOR_X: u16 = 0xac;
    pub const JUMP: u16 = 0x05;
    pub const EQUAL: u16 = 0x15;
    pub const EQUAL_X: u16 = 0x1d;
    pub const GREATER: u16 = 0x25;
    pub const GREATER_X: u16 = 0x2d;
    pub const FROM: u16 = 0x35;
    pub const FROM_X: u16 = 0x3d;
    pub const SET: u16 = 0x45;
    pub const SET_X: u16 = 0x4d;
}

/// A program that was found to be one: it ends, and reads nothing but the call and its own memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    program: Vec<Instruction>,
}

impl Filter {
    /// EINVAL for what Linux does not take either.
    pub fn new(program: Vec<Instruction>) -> Result<Filter, Errno> {
        check::check(&program)?;
        Ok(Filter { program })
    }

    #[allow(clippy::len_without_is_empty)] // none is empty
    pub fn len(&self) -> usize {
        self.program.len()
    }

    pub fn instructions(&self) -> &[Instruction] {
        &self.program
    }

    /// What it returns; `None` if that needs a word of the call that is not known.
    pub fn run(&self, data: &Data) -> Option<u32> {
        use code::*;
        const LENGTH: u32 = 4 * Data::WORDS as u32;
        let (mut a, mut x) = (0u32, 0u32);
        let mut memory = [0u32; MEMORY];
        let mut place = 0;
        loop {
            // A checked program does not leave itself: it jumps forward, and its last word returns.
            let Instruction { code, jt, jf, k } = *self.program.get(place)?;
            place += 1;
            let mut jump = |condition: bool| place += usize::from(if condition { jt } else { jf });
            match code {
                RETURN => return Some(k),
                RETURN_A => return Some(a),
                LOAD => a = data.word(k as usize / 4)?,
                LOAD_LENGTH => a = LENGTH,
                LOAD_CONSTANT => a = k,
                LOAD_MEMORY => a = memory[k as usize % MEMORY],
                INDEX_LENGTH => x = LENGTH,
                INDEX_CONSTANT => x = k,
                INDEX_MEMORY => x = memory[k as usize % MEMORY],
                STORE => memory[k as usize % MEMORY] = a,
                STORE_X => memory[k as usize % MEMORY] = x,
                A_TO_X => x = a,
                X_TO_A => a = x,
                ADD => a = a.wrapping_add(k),
                ADD_X => a = a.wrapping_add(x),
                SUBTRACT => a = a.wrapping_sub(k),
                SUBTRACT_X => a = a.wrapping_sub(x),
                MULTIPLY => a = a.wrapping_mul(k),
                MULTIPLY_X => a = a.wrapping_mul(x),
                DIVIDE => a = a.checked_div(k).unwrap_or(0),
                // Dividing by zero ends the program with 0.
                DIVIDE_X => match a.checked_div(x) {
                    Some(quotient) => a = quotient,
                    None => return Some(0),
                },
                OR => a |= k,
                OR_X => a |= x,
                AND => a &= k,
                AND_X => a &= x,
                LEFT => a = a.wrapping_shl(k),
                LEFT_X => a = a.wrapping_shl(x),
                RIGHT => a = a.wrapping_shr(k),
                RIGHT_X => a = a.wrapping_shr(x),
                NEGATE => a = a.wrapping_neg(),
                XOR => a ^= k,
                XOR_X => a ^= x,
                JUMP => place += k as usize,
                EQUAL => jump(a == k),
                EQUAL_X => jump(a == x),
                GREATER => jump(a > k),
                GREATER_X => jump(a > x),
                FROM => jump(a >= k),
                FROM_X => jump(a >= x),
                SET => jump(a & k != 0),
                SET_X => jump(a & x != 0),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::code::*;
    use super::*;

    fn run(program: &[(u16, u8, u8, u32)]) -> Option<u32> {
        let program = program.iter();
        let program = program.map(|(code, jt, jf, k)| Instruction::new(*code, *jt, *jf, *k));
        let data = Data::new(
            39,
            Some(0x1_2345_6789),
            [1, 2, 3, 4, 5, 0xaaaa_bbbb_cccc].map(Some),
        );
        Filter::new(program.collect()).unwrap().run(&data)
    }

    /// A filter that computes with the constant, or the index register, and returns the accumulator.
    fn compute(operation: u16, a: u32, operand: u32) -> u32 {
        let result = run(&[
            (INDEX_CONSTANT, 0, 0, operand),
            (LOAD_CONSTANT, 0, 0, a),
            (operation, 0, 0, operand),
            (RETURN_A, 0, 0, 0),
        ]);
        result.unwrap()
    }

    #[test]
    fn the_words_of_a_call() {
        let word = |offset| run(&[(LOAD, 0, 0, offset), (RETURN_A, 0, 0, 0)]);
        assert_eq!(word(0), Some(39));
        assert_eq!(word(4), Some(0xc000_003e));
        assert_eq!((word(8), word(12)), (Some(0x2345_6789), Some(1)));
        assert_eq!((word(16), word(20)), (Some(1), Some(0)));
        assert_eq!((word(56), word(60)), (Some(0xbbbb_cccc), Some(0xaaaa)));
        let length = [(LOAD_LENGTH, 0, 0, 0), (RETURN_A, 0, 0, 0)];
        assert_eq!(run(&length), Some(64));
    }

    #[test]
    fn arithmetic() {
        for (operation, a, operand, expected) in [
            (ADD, u32::MAX, 2, 1),
            (ADD_X, 3, 4, 7),
            (SUBTRACT, 1, 2, u32::MAX),
            (SUBTRACT_X, 9, 2, 7),
            (MULTIPLY, 1 << 31, 3, 1 << 31),
            (MULTIPLY_X, 6, 7, 42),
            (DIVIDE, 43, 6, 7),
            (DIVIDE_X, 43, 6, 7),
            (OR, 5, 2, 7),
            (OR_X, 5, 2, 7),
            (AND, 7, 5, 5),
            (AND_X, 7, 5, 5),
            (LEFT, 1, 31, 1 << 31),
            (LEFT_X, 1, 4, 16),
            (RIGHT, 1 << 31, 31, 1),
            (RIGHT_X, 16, 4, 1),
            (XOR, 6, 5, 3),
            (XOR_X, 6, 5, 3),
            (NEGATE, 1, 0, u32::MAX),
            (X_TO_A, 1, 8, 8),
        ] {
            assert_eq!(compute(operation, a, operand), expected, "{operation:#x}");
        }
        let by_zero = [
            (LOAD_CONSTANT, 0, 0, 7),
            (DIVIDE_X, 0, 0, 0),
            (RETURN, 0, 0, 5),
        ];
        assert_eq!(run(&by_zero), Some(0));
    }

    #[test]
    fn jumps() {
        for (jump, a, operand, taken) in [
            (EQUAL, 1, 1, true),
            (EQUAL_X, 1, 2, false),
            (GREATER, 0x8000_0000, 1, true),
            (GREATER_X, 1, 1, false),
            (FROM, 1, 1, true),
            (FROM_X, 0, 1, false),
            (SET, 6, 2, true),
            (SET_X, 6, 1, false),
        ] {
            let result = run(&[
                (INDEX_CONSTANT, 0, 0, operand),
                (LOAD_CONSTANT, 0, 0, a),
                (jump, 1, 0, operand),
                (RETURN, 0, 0, 0),
                (RETURN, 0, 0, 1),
            ]);
            assert_eq!(result, Some(u32::from(taken)), "{jump:#x}");
        }
        let far = [(JUMP, 0, 0, 1), (RETURN, 0, 0, 1), (RETURN, 0, 0, 2)];
        assert_eq!(run(&far), Some(2));
    }

    #[test]
    fn memory() {
        let result = run(&[
            (LOAD_CONSTANT, 0, 0, 9),
            (A_TO_X, 0, 0, 0),
            (STORE, 0, 0, 15),
            (STORE_X, 0, 0, 0),
            (LOAD_CONSTANT, 0, 0, 1),
            (LOAD_MEMORY, 0, 0, 15),
            (INDEX_MEMORY, 0, 0, 0),
            (ADD_X, 0, 0, 0),
            (RETURN_A, 0, 0, 0),
        ]);
        assert_eq!(result, Some(18));
    }

    #[test]
    fn an_instruction_travels() {
        let one = Instruction::new(0x1234, 0x56, 0x78, 0x9abc_def0);
        assert_eq!(one.to_word(), 0x9abc_def0_7856_1234);
        assert_eq!(Instruction::from_word(one.to_word()), one);
    }
}
