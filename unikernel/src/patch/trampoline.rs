//! Code that runs in place of a patched span: the span's instructions, moved, and a jump to the kernel.
//!
//! Nothing is pushed (the red zone below `rsp` is the program's) and no flag changes. What the kernel's
//! entries find:
//!
//! - system call: `rax` and the arguments as at the `syscall`; `rcx` = where to go on, as `syscall` leaves
//!   it; `r11` is the program's still (the entry sets it to the flags, as `syscall` does);
//! - cpuid: `eax` and `ecx` the leaf and subleaf; `rbx` = where to go on; `rdx` is free.

use core::fmt;

use super::context::Placed;
use super::decode::decode;
use super::insn::{Flow, Insn};
use super::region::{Entry, Mark, TrampolineRegion, MARKS};
use super::scan::{Kind, Site, Span, JUMP, MAX_SPAN};

/// No trampoline is longer: at most eight moved instructions of MAX_SPAN bytes in all, of which a short
/// `jcc` grows by 4, the gate's 13 and the jump back's 5.
pub const MAX_CODE: usize = 128;

const INT3: u8 = 0xcc;
/// `lea disp32(%rip), %rcx` and `%rbx`, without the displacement.
const LEA_RCX: [u8; 3] = [0x48, 0x8d, 0x0d];
const LEA_RBX: [u8; 3] = [0x48, 0x8d, 0x1d];
/// `jmp *disp32(%rip)`.
const JMP_MEMORY: [u8; 2] = [0xff, 0x25];
const JMP: u8 = 0xe9;

/// Why a site cannot be patched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The site has no span.
    NoSpan,
    /// The text is not what it was when the site was found.
    Changed,
    /// The region, or what a moved instruction refers to, is farther than 2 GiB.
    OutOfReach,
    /// The region is full.
    Full,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSpan => "the site has no bytes to replace",
            Self::Changed => "the text changed after the site was found",
            Self::OutOfReach => "the trampoline is farther than 2 GiB from the text",
            Self::Full => "the trampoline region is full",
        })
    }
}

/// What to write, the trampoline first. How is said at [`super::apply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The address in the text.
    pub at: u64,
    span: Code<MAX_SPAN>,
    /// The address of the trampoline in its region.
    pub trampoline_at: u64,
    trampoline: Code<MAX_CODE>,
}

impl Patch {
    /// A jump and `int3`s, of the span's length.
    pub fn bytes(&self) -> &[u8] {
        self.span.as_slice()
    }

    pub fn trampoline(&self) -> &[u8] {
        self.trampoline.as_slice()
    }
}

/// Bytes of code on the way to their address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Code<const N: usize> {
    bytes: [u8; N],
    len: usize,
    address: u64,
}

impl<const N: usize> Code<N> {
    fn new(address: u64) -> Self {
        Self {
            bytes: [INT3; N],
            len: 0,
            address,
        }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn here(&self) -> u64 {
        self.address.wrapping_add(self.len as u64)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), PlanError> {
        let end = self.len + bytes.len();
        self.bytes
            .get_mut(self.len..end)
            .ok_or(PlanError::Changed)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// A displacement that ends the instruction and reaches `target`.
    fn push_rel(&mut self, target: u64) -> Result<(), PlanError> {
        let rel = displacement(self.here().wrapping_add(4), target)?;
        self.push(&rel.to_le_bytes())
    }

    fn jump(&mut self, target: u64) -> Result<(), PlanError> {
        self.push(&[JMP])?;
        self.push_rel(target)
    }

    /// Moves an instruction from address `from` to the end of the code.
    fn relocate(&mut self, insn: &Insn, bytes: &[u8], from: u64) -> Result<(), PlanError> {
        let target = |rel: i32| {
            from.wrapping_add(bytes.len() as u64)
                .wrapping_add_signed(rel.into())
        };
        match (insn.flow, insn.rip_disp) {
            (Flow::Jcc { condition, rel }, _) => {
                self.push(&[0x0f, 0x80 | condition])?;
                self.push_rel(target(rel))
            }
            (Flow::Jmp { rel }, _) => self.jump(target(rel)),
            (Flow::Next | Flow::Leave, None) => self.push(bytes),
            (Flow::Next | Flow::Leave, Some(at)) => {
                let at = usize::from(at);
                let end = at + 4;
                let old = bytes
                    .get(at..end)
                    .and_then(|disp| disp.try_into().ok())
                    .ok_or(PlanError::Changed)?;
                let new_end = self.here().wrapping_add(bytes.len() as u64);
                let disp = displacement(new_end, target(i32::from_le_bytes(old)))?;
                self.push(&bytes[..at])?;
                self.push(&disp.to_le_bytes())?;
                self.push(&bytes[end..])
            }
            _ => Err(PlanError::Changed),
        }
    }
}

fn displacement(from: u64, to: u64) -> Result<i32, PlanError> {
    i32::try_from(to.wrapping_sub(from) as i64).map_err(|_| PlanError::OutOfReach)
}

/// Lays out the patch for `site` of the `text` that is (or will be) mapped at address `base`, and takes
/// the room for its trampoline from `region`. Writes nothing.
pub fn plan(
    site: &Site,
    text: &[u8],
    base: u64,
    region: &mut TrampolineRegion,
) -> Result<Patch, PlanError> {
    let span = site.span.map_err(|_| PlanError::NoSpan)?;
    let instruction = site.kind.bytes();
    if !text
        .get(site.at..)
        .is_some_and(|bytes| bytes.starts_with(&instruction))
    {
        return Err(PlanError::Changed);
    }
    let address = |offset: usize| base.wrapping_add(offset as u64);
    let mut code = Code::<MAX_CODE>::new(region.next());
    let mut marks = [Mark::default(); MARKS];
    let mut marked = 0;
    let mut mark = |code: &Code<MAX_CODE>, offset: usize| {
        // Both below MAX_CODE.
        let mark = Mark {
            code: code.len as u8,
            text: (offset - span.start) as u8,
        };
        *marks.get_mut(marked).ok_or(PlanError::Changed)? = mark;
        marked += 1;
        Ok(())
    };

    let mut gate = false;
    let mut goes_on = true;
    let mut at = span.start;
    while at < span.end.max(site.at + 2) {
        mark(&code, at)?;
        if at == site.at {
            enter_kernel(site, &span, address(site.at + 2), region, &mut code)?;
            gate = true;
            at += 2;
            continue;
        }
        let insn = text
            .get(at..)
            .and_then(|bytes| decode(bytes).ok())
            .ok_or(PlanError::Changed)?;
        let placed = Placed { at, insn };
        let bytes = text.get(at..placed.end()).ok_or(PlanError::Changed)?;
        code.relocate(&insn, bytes, address(at))?;
        goes_on = !insn.is_terminator();
        at = placed.end();
    }
    if !gate || at != span.end.max(site.at + 2) {
        return Err(PlanError::Changed);
    }
    if goes_on && span.end > site.at + 2 {
        mark(&code, span.end)?;
        code.jump(address(span.end))?;
    }

    let mut detour = Code::<MAX_SPAN>::new(address(span.start));
    detour.jump(code.address)?;
    detour.len = span.end - span.start;
    debug_assert!(detour.len >= JUMP);
    // All lengths are below MAX_CODE.
    region.take(Entry {
        text: address(span.start),
        site: address(site.at),
        span: detour.len as u8,
        at: 0,
        len: code.len as u8,
        marks,
        marked: marked as u8,
    })?;
    Ok(Patch {
        at: detour.address,
        span: detour,
        trampoline_at: code.address,
        trampoline: code,
    })
}

/// Leaves for the kernel, which goes on at `back`, or in the trampoline when the span takes more than that.
fn enter_kernel(
    site: &Site,
    span: &Span,
    back: u64,
    region: &TrampolineRegion,
    code: &mut Code<MAX_CODE>,
) -> Result<(), PlanError> {
    code.push(match site.kind {
        Kind::Syscall => &LEA_RCX,
        Kind::Cpuid => &LEA_RBX,
    })?;
    let after_gate = code.here() + 4 + JMP_MEMORY.len() as u64 + 4;
    code.push_rel(if span.end > site.at + 2 {
        after_gate
    } else {
        back
    })?;
    code.push(&JMP_MEMORY)?;
    code.push_rel(region.slot(site.kind))
}
