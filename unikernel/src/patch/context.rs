//! The instructions around an address in text whose instruction boundaries nobody has written down.
//!
//! x86 code synchronises itself: decoders that start at different bytes soon meet on the true
//! boundaries. So decoding starts at every byte of a stretch well before the address, and a boundary
//! counts as true when most of these starts pass through it.

use alloc::vec::Vec;

use super::decode::decode;
use super::insn::{Flow, Insn, Space};

/// How far before the address decoding begins, in bytes. Covers the reach of a rel8 branch.
const REACH: usize = 192;
/// From the first so many bytes of the reach, every byte is a start.
const STARTS: usize = 48;
/// A known boundary weighs as much as so many starts.
const KNOWN: u32 = 1000;
/// How far after the address a rel8 branch that comes back to it can begin.
const FORWARD: usize = 160;
/// Instructions before and after the address that are kept.
const KEPT: usize = 8;

/// An instruction and its offset in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub at: usize,
    pub insn: Insn,
}

impl Placed {
    pub fn end(&self) -> usize {
        self.at + self.insn.length()
    }

    /// Where a direct branch goes.
    pub fn target(&self) -> Option<i64> {
        self.insn
            .rel()
            .map(|rel| self.end() as i64 + i64::from(rel))
    }
}

/// What surrounds one `syscall` or `cpuid`.
pub struct Context {
    /// The whole instructions directly before, the nearest first.
    pub before: Vec<Placed>,
    /// The whole instructions after it, the nearest first.
    pub after: Vec<Placed>,
    /// Targets of the direct branches nearby.
    pub targets: Vec<i64>,
}

/// Decodes around the two-byte instruction at `at`. `None` when no instruction begins there, as far as the
/// bytes tell. `known` are offsets of sure instruction boundaries, sorted: with `at` among them it is always
/// `Some`.
pub fn around(text: &[u8], at: usize, known: &[usize]) -> Option<Context> {
    let mut context = Context {
        before: Vec::new(),
        after: Vec::new(),
        targets: Vec::new(),
    };
    let sure = known.binary_search(&at).is_ok();
    if !backward(text, at, known, &mut context) {
        if !sure {
            return None;
        }
        context.before.clear();
    }
    forward(text, at + 2, &mut context);
    Some(context)
}

/// Fills in what precedes `at`; false when most starts do not arrive at `at`.
fn backward(text: &[u8], at: usize, known: &[usize], context: &mut Context) -> bool {
    let low = at.saturating_sub(REACH);
    let mut weight = [0_u32; REACH];
    let mut length = [0_u8; REACH];
    for start in weight.iter_mut().take(STARTS.min(at - low)) {
        *start = 1;
    }
    let first_known = known.partition_point(|&boundary| boundary < low);
    let boundaries = known[first_known..]
        .iter()
        .copied()
        .take_while(|&boundary| boundary < at);
    for boundary in boundaries {
        weight[boundary - low] = KNOWN;
    }

    let (mut landed, mut passed, mut started) = (0, 0, 0);
    for index in 0..at - low {
        if weight[index] == 0 {
            continue;
        }
        let here = low + index;
        started += if index < STARTS { 1 } else { 0 };
        let Ok(insn) = decode(&text[here..]) else {
            continue;
        };
        if !ordinary(&insn) {
            continue;
        }
        length[index] = insn.len;
        let placed = Placed { at: here, insn };
        context.targets.extend(placed.target());
        match placed.end() {
            end if end < at => weight[end - low] += weight[index],
            end if end == at => landed += weight[index],
            _ => passed += weight[index],
        }
    }
    if landed == 0 || landed < passed * 3 || landed < started / 3 {
        return false;
    }

    let mut end = at;
    while context.before.len() < KEPT {
        let from = end.saturating_sub(15).max(low);
        let nearest = (from..end)
            .filter(|&here| here + usize::from(length[here - low]) == end)
            .max_by_key(|&here| weight[here - low]);
        let Some(here) = nearest.filter(|&here| weight[here - low] * 4 >= landed * 3) else {
            break;
        };
        let Ok(insn) = decode(&text[here..]) else {
            break;
        };
        context.before.push(Placed { at: here, insn });
        end = here;
    }
    true
}

/// Decodes on from `at`, a sure boundary.
fn forward(text: &[u8], at: usize, context: &mut Context) {
    let limit = text.len().min(at + FORWARD);
    let mut here = at;
    let mut straight = true;
    while here < limit {
        let Ok(insn) = decode(&text[here..]) else {
            break;
        };
        let placed = Placed { at: here, insn };
        context.targets.extend(placed.target());
        if straight && context.after.len() < KEPT {
            context.after.push(placed);
        }
        straight &= !insn.is_terminator();
        here = placed.end();
    }
}

/// Instructions that programs do not contain or nearly never: a start that meets one is reading
/// data, or from the middle of an instruction.
fn ordinary(insn: &Insn) -> bool {
    match (insn.space, insn.opcode) {
        (Space::OneByte, opcode) => !matches!(
            opcode,
            0x6c..=0x6f
                | 0x8c
                | 0x8e
                | 0xc8
                | 0xca
                | 0xcb
                | 0xcd
                | 0xcf
                | 0xd7
                | 0xe0..=0xe2
                | 0xe4..=0xe7
                | 0xec..=0xef
                | 0xf1
                | 0xfa
                | 0xfb
        ),
        (Space::TwoByte, opcode) => {
            !matches!(opcode, 0x00 | 0x02 | 0x03 | 0x06..=0x09 | 0x0e | 0x0f | 0x20..=0x23 | 0x30 | 0x32..=0x37)
                && !matches!(
                    opcode,
                    0x78 | 0x79 | 0xa0 | 0xa1 | 0xa8..=0xaa | 0xb2 | 0xb4 | 0xb5 | 0xff
                )
        }
        _ => true,
    }
}

/// Can run at another address.
pub fn relocatable(insn: &Insn) -> bool {
    let flow = matches!(
        insn.flow,
        Flow::Next | Flow::Jcc { .. } | Flow::Jmp { .. } | Flow::Leave
    );
    // With 67 the operand's address is cut to 32 bits.
    flow && !(insn.rip_disp.is_some() && insn.address_32)
}
