//! The length of an x86-64 instruction, and what must change when it is moved.
//!
//! Source: Intel SDM volume 2, chapter 2 (formats) and appendix A (maps); AMD APM volume 3 where the
//! two makers differ. XOP, 3DNow! beyond its length and REX2 (APX) are not decoded.

use super::insn::{DecodeError, Flow, Insn, Space};
use super::opcodes::{Map, ONE_BYTE, THREE_BYTE_38, THREE_BYTE_3A, TWO_BYTE, VEX_MAP_1};

/// A longer one raises #GP (SDM volume 2, section 2.3.11).
pub const MAX_LENGTH: usize = 15;

const REX_W: u8 = 8;

/// Reads 16 bytes, of which the last ones may not be the text's: whether an instruction used more than
/// there were is checked once, at its end.
struct Reader<'a> {
    bytes: &'a [u8; 16],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.bytes[self.at % 16]
    }

    fn byte(&mut self) -> u8 {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    fn skip(&mut self, count: usize) {
        self.at += count;
    }

    fn rel8(&mut self) -> i32 {
        i32::from(self.byte() as i8)
    }

    fn rel32(&mut self) -> i32 {
        i32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }
}

#[derive(Default)]
struct Prefixes {
    lock: bool,
    /// F2 or F3, the last one; 0 for none.
    repeat: u8,
}

/// Decodes the instruction at the start of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Insn, DecodeError> {
    let mut end = [0; 16];
    let bytes_16 = bytes.first_chunk().unwrap_or_else(|| {
        end[..bytes.len()].copy_from_slice(bytes);
        &end
    });
    let mut reader = Reader {
        bytes: bytes_16,
        at: 0,
    };
    let decoded = instruction(&mut reader);
    if reader.at > MAX_LENGTH {
        Err(DecodeError::Invalid)
    } else if reader.at > bytes.len() {
        Err(DecodeError::Truncated)
    } else {
        decoded
    }
}

fn instruction(reader: &mut Reader<'_>) -> Result<Insn, DecodeError> {
    let mut prefixes = Prefixes::default();
    let mut insn = Insn {
        len: 0,
        flow: Flow::Next,
        space: Space::OneByte,
        opcode: 0,
        modrm: 0,
        rex: 0,
        operand_16: false,
        address_32: false,
        rip_disp: None,
        imm: 0,
    };
    loop {
        let byte = reader.byte();
        if reader.at > MAX_LENGTH {
            return Err(DecodeError::Invalid);
        }
        match byte {
            0x66 => insn.operand_16 = true,
            0x67 => insn.address_32 = true,
            0xf0 => prefixes.lock = true,
            0xf2 | 0xf3 => prefixes.repeat = byte,
            0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 => {}
            0x40..=0x4f => {
                insn.rex = byte;
                continue;
            }
            _ => {
                insn.opcode = byte;
                break;
            }
        }
        // A REX that another prefix follows has no effect.
        insn.rex = 0;
    }
    let operands = opcode(reader, &mut insn, &prefixes)?;
    operand_bytes(reader, &mut insn, &prefixes, operands)?;
    if invalid_form(&insn) || (prefixes.lock && !lockable(&insn)) {
        return Err(DecodeError::Invalid);
    }
    // At most MAX_LENGTH, by the reader.
    insn.len = reader.at as u8;
    Ok(insn)
}

/// Takes the opcode byte in another map.
fn enter(insn: &mut Insn, reader: &mut Reader<'_>, space: Space, map: &Map) -> u8 {
    insn.space = space;
    insn.opcode = reader.byte();
    map[usize::from(insn.opcode)]
}

/// Reads on to the last opcode byte and gives the table's character for it.
#[inline]
fn opcode(
    reader: &mut Reader<'_>,
    insn: &mut Insn,
    prefixes: &Prefixes,
) -> Result<u8, DecodeError> {
    match insn.opcode {
        0x0f => match reader.peek() {
            0x38 => {
                reader.skip(1);
                Ok(enter(insn, reader, Space::Three38, THREE_BYTE_38))
            }
            0x3a => {
                reader.skip(1);
                Ok(enter(insn, reader, Space::Three3A, THREE_BYTE_3A))
            }
            _ => Ok(enter(insn, reader, Space::TwoByte, TWO_BYTE)),
        },
        prefix @ (0xc4 | 0xc5 | 0x62) => {
            if insn.operand_16 || prefixes.lock || prefixes.repeat != 0 || insn.rex != 0 {
                return Err(DecodeError::Invalid);
            }
            let first = reader.byte();
            let map = match prefix {
                0xc5 => 1,
                0xc4 => {
                    insn.rex =
                        0x40 | (!first >> 5) | if reader.byte() & 0x80 != 0 { REX_W } else { 0 };
                    first & 0x1f
                }
                _ => {
                    // P0 bit 3 is 0 and P1 bit 2 is 1 in EVEX.
                    if first & 8 != 0 || reader.byte() & 4 == 0 {
                        return Err(DecodeError::Invalid);
                    }
                    reader.skip(1);
                    first & 7
                }
            };
            let listed = enter(insn, reader, Space::Vector, VEX_MAP_1);
            match (map, prefix) {
                (1, _) => Ok(listed),
                (2, _) | (5 | 6, 0x62) => Ok(b'M'),
                (3, _) => Ok(b'N'),
                _ => Err(DecodeError::Invalid),
            }
        }
        byte => Ok(ONE_BYTE[usize::from(byte)]),
    }
}

fn operand_bytes(
    reader: &mut Reader<'_>,
    insn: &mut Insn,
    prefixes: &Prefixes,
    operands: u8,
) -> Result<(), DecodeError> {
    let wide = insn.rex & REX_W != 0 && insn.space != Space::Vector;
    let imm_z = if insn.operand_16 && !wide { 2 } else { 4 };
    if matches!(operands, b'M' | b'N' | b'Z' | b'g' | b'G') {
        modrm(reader, insn);
    }
    insn.imm = reader.at as u8;
    let tests = insn.reg() < 2;
    match operands {
        b'.' => {}
        b'M' => {
            // SSE4a: extrq and insertq with two immediate bytes.
            let sse4a = insn.space == Space::TwoByte && insn.opcode == 0x78;
            if sse4a && (insn.operand_16 || prefixes.repeat == 0xf2) {
                reader.skip(2);
            }
        }
        b'N' | b'b' => reader.skip(1),
        b'g' => reader.skip(usize::from(tests)),
        b'G' => reader.skip(if tests { imm_z } else { 0 }),
        b'Z' if insn.modrm == 0xf8 && insn.opcode == 0xc7 => {
            insn.flow = Flow::Loop {
                rel: reader.rel32(),
            };
        }
        b'Z' | b'z' => reader.skip(imm_z),
        b'w' => reader.skip(2),
        b'e' => reader.skip(3),
        b'v' => reader.skip(if wide { 8 } else { imm_z }),
        b'o' => reader.skip(if insn.address_32 { 4 } else { 8 }),
        b'j' | b'J' => {
            if insn.operand_16 && !wide {
                return Err(DecodeError::Ambiguous);
            }
            let rel = if operands == b'j' {
                reader.rel8()
            } else {
                reader.rel32()
            };
            insn.flow = match (insn.space, insn.opcode) {
                (Space::OneByte, 0xe8) => Flow::Call { rel },
                (Space::OneByte, 0xe9 | 0xeb) => Flow::Jmp { rel },
                (Space::OneByte, 0xe0..=0xe3) => Flow::Loop { rel },
                (_, opcode) => Flow::Jcc {
                    condition: opcode & 15,
                    rel,
                },
            };
            return Ok(());
        }
        _ => return Err(DecodeError::Invalid),
    }
    if insn.flow == Flow::Next {
        insn.flow = flow(insn);
    }
    Ok(())
}

fn modrm(reader: &mut Reader<'_>, insn: &mut Insn) {
    insn.modrm = reader.byte();
    let (mode, rm) = (insn.modrm >> 6, insn.modrm & 7);
    // Moves to and from control and debug registers ignore the mode.
    let register =
        mode == 3 || (insn.space == Space::TwoByte && matches!(insn.opcode, 0x20..=0x23));
    if register {
        return;
    }
    let mut base = rm;
    if rm == 4 {
        base = reader.byte() & 7;
    }
    match (mode, base) {
        (0, 5) => {
            if rm == 5 {
                insn.rip_disp = Some(reader.at as u8);
            }
            reader.skip(4)
        }
        (1, _) => reader.skip(1),
        (2, _) => reader.skip(4),
        _ => {}
    }
}

/// The flow of an instruction that is no relative branch.
fn flow(insn: &Insn) -> Flow {
    match (insn.space, insn.opcode, insn.reg()) {
        (Space::OneByte, 0xff, 2 | 3) => Flow::CallIndirect,
        (Space::OneByte, 0xff, 4 | 5) | (Space::OneByte, 0xc2 | 0xc3 | 0xca | 0xcb | 0xcf, _) => {
            Flow::Leave
        }
        (Space::OneByte, 0xcc | 0xcd | 0xf1 | 0xf4, _) => Flow::Trap,
        (Space::TwoByte, 0x05, _) => Flow::Syscall,
        (Space::TwoByte, 0xa2, _) => Flow::Cpuid,
        (Space::TwoByte, 0x07 | 0x35, _) => Flow::Leave,
        (Space::TwoByte, 0x0b | 0x34 | 0xb9 | 0xff, _) => Flow::Trap,
        _ => Flow::Next,
    }
}

/// Group members and register forms that are undefined though their opcode is not.
fn invalid_form(insn: &Insn) -> bool {
    let (reg, register) = (insn.reg(), insn.is_register_form());
    match (insn.space, insn.opcode) {
        (Space::OneByte, 0x8c) => reg > 5,
        (Space::OneByte, 0x8d) => register,
        (Space::OneByte, 0x8e) => reg > 5 || reg == 1,
        (Space::OneByte, 0x8f) => reg != 0,
        (Space::OneByte, 0xc6 | 0xc7) => reg != 0 && insn.modrm != 0xf8,
        (Space::OneByte, 0xfe) => reg > 1,
        (Space::OneByte, 0xff) => reg == 7 || (register && (reg == 3 || reg == 5)),
        (Space::TwoByte, 0x00) => reg > 5,
        (Space::TwoByte, 0x71..=0x73) => !register,
        (Space::TwoByte, 0xba) => reg < 4,
        _ => false,
    }
}

/// SDM volume 2, LOCK: these, with a memory destination, else `#UD`.
fn lockable(insn: &Insn) -> bool {
    let reg = insn.reg();
    let listed = match (insn.space, insn.opcode) {
        (Space::OneByte, op @ 0x00..=0x31) => op & 6 == 0,
        (Space::OneByte, 0x80 | 0x81 | 0x83) => reg != 7,
        (Space::OneByte, 0x86 | 0x87) => true,
        (Space::OneByte, 0xf6 | 0xf7) => matches!(reg, 2 | 3),
        (Space::OneByte, 0xfe | 0xff) => reg < 2,
        (Space::TwoByte, 0xab | 0xb0 | 0xb1 | 0xb3 | 0xbb | 0xc0 | 0xc1) => true,
        (Space::TwoByte, 0xba) => reg > 4,
        (Space::TwoByte, 0xc7) => reg == 1,
        _ => false,
    };
    listed && !insn.is_register_form()
}
