//! What is known of a decoded instruction.

use core::fmt;

/// Why bytes are no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The slice ends inside the instruction.
    Truncated,
    /// Invalid in 64-bit mode, or longer than 15 bytes.
    Invalid,
    /// A relative branch with an operand-size prefix: Intel ignores the prefix, AMD does not.
    Ambiguous,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the text ends inside an instruction",
            Self::Invalid => "not an instruction in 64-bit mode",
            Self::Ambiguous => "a branch with an operand-size prefix",
        })
    }
}

/// The opcode map an instruction belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    OneByte,
    /// 0F
    TwoByte,
    /// 0F 38
    Three38,
    /// 0F 3A
    Three3A,
    /// VEX or EVEX, any map
    Vector,
}

/// Where control goes after the instruction. `rel` counts from the instruction's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    Syscall,
    Cpuid,
    /// `jcc`, with the condition's number 0..=15.
    Jcc {
        condition: u8,
        rel: i32,
    },
    Jmp {
        rel: i32,
    },
    Call {
        rel: i32,
    },
    /// `loop`, `loope`, `loopne`, `jrcxz`, `xbegin`: a branch that has no other encoding.
    Loop {
        rel: i32,
    },
    /// `call` through a register or memory.
    CallIndirect,
    /// `ret`, `jmp` through a register or memory, `iret`, `sysret`: never goes on.
    Leave,
    /// `ud2`, `hlt`, `int3`, `int n`, `into`: hands over to a kernel.
    Trap,
}

/// One decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// Bytes in all, 1..=15.
    pub len: u8,
    pub flow: Flow,
    pub space: Space,
    pub opcode: u8,
    /// The ModRM byte, 0 when there is none.
    pub modrm: u8,
    /// The REX byte, 0 when there is none.
    pub rex: u8,
    /// 66 is among the prefixes.
    pub operand_16: bool,
    /// 67 is among the prefixes.
    pub address_32: bool,
    /// Offset of the 32-bit displacement when the operand is rip-relative.
    pub rip_disp: Option<u8>,
    /// Offset of the immediate (or the relative displacement), which reaches to the end.
    pub imm: u8,
}

impl Insn {
    pub fn length(&self) -> usize {
        usize::from(self.len)
    }

    /// The branch distance from the instruction's end, if it is a direct branch.
    pub fn rel(&self) -> Option<i32> {
        match self.flow {
            Flow::Jcc { rel, .. } | Flow::Jmp { rel } | Flow::Call { rel } | Flow::Loop { rel } => {
                Some(rel)
            }
            _ => None,
        }
    }

    /// Never goes on to the next instruction.
    pub fn is_terminator(&self) -> bool {
        matches!(self.flow, Flow::Jmp { .. } | Flow::Leave)
            || (self.space == Space::TwoByte && matches!(self.opcode, 0x0b | 0xb9 | 0xff))
            || (self.space == Space::OneByte && self.opcode == 0xf4)
    }

    pub(super) fn reg(&self) -> u8 {
        self.modrm >> 3 & 7
    }

    pub(super) fn is_register_form(&self) -> bool {
        self.modrm >> 6 == 3
    }
}
