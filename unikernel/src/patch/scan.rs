//! Finds the `syscall` and `cpuid` instructions of a text segment, and for each the bytes that a jump
//! to a trampoline can take the place of.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::context::{around, relocatable, Context, Placed};
use super::insn::{Flow, Insn, Space};
use super::search::{far_branches, syscall_and_cpuid};

/// `jmp rel32`.
pub const JUMP: usize = 5;
/// No span is longer.
pub const MAX_SPAN: usize = 40;
/// `rt_sigreturn`: unwinders know a signal's return code by its bytes, so these stay as they are.
const RT_SIGRETURN: u32 = 15;
/// Branch targets are kept for granules of so many bytes that a site's span can reach into.
const GRANULE: usize = 64;
/// How far apart in bytes two `cpuid` of one piece of code are at most.
const FLOCK: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Syscall,
    Cpuid,
}

impl Kind {
    /// The instruction.
    pub fn bytes(self) -> [u8; 2] {
        match self {
            Self::Syscall => [0x0f, 0x05],
            Self::Cpuid => [0x0f, 0xa2],
        }
    }
}

/// Which bytes a span takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Whole instructions before the site, whose own two bytes stay and still work.
    Before,
    /// Up to and with the site's own bytes. The address after the site is still its own.
    Over,
    /// Past the site: control comes back into the trampoline, and `rcx` after a system call points there.
    After,
}

/// Why a site has to go on trapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A branch nearby lands in every span that would do.
    BranchInside,
    /// The neighbours cannot be moved, or are too few.
    Neighbours,
    /// `rt_sigreturn`.
    SignalReturn,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BranchInside => "a branch lands inside the bytes to replace",
            Self::Neighbours => "no neighbouring instructions that can be moved",
            Self::SignalReturn => "the code that returns from a signal is known by its bytes",
        })
    }
}

/// The bytes `start..end` of the text, at least five, that the jump replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub placement: Placement,
}

/// One `syscall` or `cpuid` instruction. Offsets count from the start of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    pub kind: Kind,
    pub at: usize,
    /// The constant that an instruction shortly before loads into `eax`: a system call's number or a
    /// leaf. Data that looks like a site has none that makes sense.
    pub eax: Option<u32>,
    evident: bool,
    pub span: Result<Span, Refusal>,
}

impl Site {
    /// What stands before the site names a system call or a leaf, or it is a `cpuid` near such a one: safe to
    /// patch without having seen the site execute.
    pub fn is_evident(&self) -> bool {
        self.evident
    }
}

fn names_call_or_leaf(kind: Kind, eax: Option<u32>) -> bool {
    match kind {
        Kind::Syscall => eax.is_some_and(|number| number < 1024),
        Kind::Cpuid => eax.is_some_and(|leaf| leaf & 0x3fff_ff00 == 0),
    }
}

/// All sites of a segment, in order. `known`: offsets of sure instruction boundaries, sorted (symbols, the
/// entry point); may be empty.
pub fn sites(text: &[u8], known: &[usize]) -> Vec<Site> {
    let mut candidates = Vec::new();
    syscall_and_cpuid(text, |at| candidates.push(at));
    if candidates.is_empty() {
        return Vec::new();
    }
    let hard: Vec<usize> = (candidates.iter().copied())
        .filter(|&at| plain(text, at, 0).is_none())
        .collect();
    let targets = targets_near(text, &hard);
    let mut found: Vec<Site> = Vec::new();
    let mut floor = 0;
    for at in candidates {
        let bounds = Bounds {
            targets: &targets,
            known,
            floor,
        };
        let hard = || Some(site(text, at, &around(text, at, known)?, &bounds));
        if let Some(site) = plain(text, at, floor).or_else(hard) {
            floor = site.span.map_or(at + 2, |span| span.end.max(at + 2));
            found.push(site);
        }
    }
    spread_evidence(&mut found);
    found
}

/// `cpuid` instructions come in flocks, and no trap will tell of one: the evident speak for their neighbours.
fn spread_evidence(found: &mut [Site]) {
    let mut evident = None;
    let mut spread = |site: &mut Site| {
        if site.kind == Kind::Cpuid {
            site.evident |= evident.is_some_and(|near: usize| site.at.abs_diff(near) <= FLOCK);
            evident = if site.evident { Some(site.at) } else { evident };
        }
    };
    found.iter_mut().for_each(&mut spread);
    found.iter_mut().rev().for_each(&mut spread);
}

/// The site at `at`, which has just trapped and so is one. Branches are looked for within `window`.
/// `known` as for [`sites`]; `floor` is the end of the patched span before it, or 0.
pub fn site_at(
    text: &[u8],
    at: usize,
    window: Range<usize>,
    known: &[usize],
    floor: usize,
) -> Option<Site> {
    if !matches!(text.get(at..at.checked_add(2)?)?, [0x0f, 0x05 | 0xa2]) {
        return None;
    }
    if let Some(site) = plain(text, at, floor) {
        return Some(site);
    }
    let window = window.start.min(at)..window.end.clamp(at, text.len());
    let mut targets = Vec::new();
    let nearby = at.saturating_sub(MAX_SPAN) as i64..=(at + MAX_SPAN) as i64;
    far_branches(&text[window.clone()], |target| {
        targets.extend(Some(target + window.start as i64).filter(|target| nearby.contains(target)));
    });
    targets.sort_unstable();
    let mut boundaries = known.to_vec();
    if let Err(place) = boundaries.binary_search(&at) {
        boundaries.insert(place, at);
    }
    let context = around(text, at, &boundaries)?;
    Some(site(
        text,
        at,
        &context,
        &Bounds {
            targets: &targets,
            known,
            floor,
        },
    ))
}

/// The targets of far branches that fall near a candidate, sorted.
fn targets_near(text: &[u8], candidates: &[usize]) -> Vec<i64> {
    let mut near = alloc::vec![0_u64; text.len() / GRANULE / 64 + 1];
    for &at in candidates {
        let last = (at + MAX_SPAN).min(text.len() - 1) / GRANULE;
        for granule in at.saturating_sub(MAX_SPAN) / GRANULE..=last {
            near[granule / 64] |= 1 << (granule % 64);
        }
    }
    let mut targets = Vec::new();
    far_branches(text, |target| {
        let granule = target as usize / GRANULE;
        // A negative target is a huge granule.
        if near
            .get(granule / 64)
            .is_some_and(|word| word >> (granule % 64) & 1 != 0)
        {
            targets.push(target);
        }
    });
    targets.sort_unstable();
    targets
}

/// The sites of a segment that need no decoding: most, at the speed of a byte search. The others can be
/// patched at their first trap.
pub fn plain_sites(text: &[u8]) -> Vec<Site> {
    let mut found: Vec<Site> = Vec::new();
    syscall_and_cpuid(text, |at| found.extend(plain(text, at, 0)));
    found
}

/// The shape of three sites in four, `mov $constant, %eax` and then the site, with a constant that makes
/// sense: so many given bits that they need no context. A byte before that may be a prefix leaves it open.
fn plain(text: &[u8], at: usize, floor: usize) -> Option<Site> {
    let start = at.checked_sub(JUMP).filter(|&start| start >= floor)?;
    let bytes = text.get(start..at + 2)?;
    let prefix = text[start.checked_sub(1)?];
    if bytes[0] != 0xb8 || matches!(prefix, 0x40..=0x4f | 0x66) {
        return None;
    }
    let kind = if bytes[6] == 0x05 {
        Kind::Syscall
    } else {
        Kind::Cpuid
    };
    let eax = u32::from_le_bytes(bytes[1..JUMP].try_into().ok()?);
    let span = match (kind, eax) {
        (Kind::Syscall, RT_SIGRETURN) => Err(Refusal::SignalReturn),
        _ => Ok(Span {
            start,
            end: at,
            placement: Placement::Before,
        }),
    };
    Some(Site {
        kind,
        at,
        eax: Some(eax),
        evident: names_call_or_leaf(kind, Some(eax)),
        span,
    })
    .filter(Site::is_evident)
}

/// What a span must not contain.
struct Bounds<'a> {
    targets: &'a [i64],
    known: &'a [usize],
    /// Where the span before ends.
    floor: usize,
}

fn site(text: &[u8], at: usize, context: &Context, bounds: &Bounds<'_>) -> Site {
    let kind = if text[at + 1] == 0x05 {
        Kind::Syscall
    } else {
        Kind::Cpuid
    };
    let eax = context
        .before
        .iter()
        .take(4)
        .find_map(|placed| eax_constant(&text[placed.at..], &placed.insn));
    let span = match (kind, eax) {
        (Kind::Syscall, Some(RT_SIGRETURN)) => Err(Refusal::SignalReturn),
        _ => span(text, at, kind, context, bounds),
    };
    Site {
        kind,
        at,
        eax,
        evident: names_call_or_leaf(kind, eax),
        span,
    }
}

/// A `nop`, which stands between functions and before the targets of loops.
fn is_padding(insn: &[u8]) -> bool {
    let opcode = insn
        .iter()
        .position(|byte| !matches!(byte, 0x66 | 0x2e | 0x48));
    let opcode = &insn[opcode.unwrap_or(0)..];
    matches!(opcode, [0x90] | [0x0f, 0x1f, ..])
}

/// Tries the spans in the order of how little they disturb.
fn span(
    text: &[u8],
    at: usize,
    kind: Kind,
    context: &Context,
    bounds: &Bounds<'_>,
) -> Result<Span, Refusal> {
    let movable = |placed: &&Placed| relocatable(&placed.insn);
    let before: Vec<usize> = context
        .before
        .iter()
        .take_while(movable)
        .take_while(|placed| !placed.insn.is_terminator() && placed.at >= bounds.floor)
        // What follows padding is called from afar, or jumped to: a span may begin there.
        .take_while(|placed| !is_padding(&text[placed.at..placed.end()]))
        .map(|placed| placed.at)
        .collect();
    let after: Vec<usize> = context
        .after
        .iter()
        .take_while(movable)
        .map(Placed::end)
        .collect();
    // The start that takes the fewest instructions such that `end` is far enough.
    let start = |end: usize| before.iter().copied().find(|start| end - start >= JUMP);

    let single = before.first().copied().filter(|start| at - start >= JUMP);
    let wanted = [
        (single, at, Placement::Before),
        (
            if kind == Kind::Cpuid {
                start(at + 2)
            } else {
                None
            },
            at + 2,
            Placement::Over,
        ),
        (start(at), at, Placement::Before),
        (start(at + 2), at + 2, Placement::Over),
    ];
    let past = [Some(at), before.first().copied(), before.get(1).copied()]
        .into_iter()
        .flatten();
    let past = past.filter_map(|start| {
        let end = after.iter().copied().find(|end| end - start >= JUMP)?;
        Some((Some(start), end, Placement::After))
    });
    let mut refusal = Refusal::Neighbours;
    for (start, end, placement) in wanted.into_iter().chain(past) {
        let Some(start) = start.filter(|start| end - start <= MAX_SPAN && *start >= bounds.floor)
        else {
            continue;
        };
        let one = single == Some(start) && end == at;
        if one || !entered(text, start, end, context, bounds) {
            return Ok(Span {
                start,
                end,
                placement,
            });
        }
        refusal = Refusal::BranchInside;
    }
    Err(refusal)
}

/// Control may arrive inside `start..end`, other than from the instruction before.
fn entered(text: &[u8], start: usize, end: usize, context: &Context, bounds: &Bounds<'_>) -> bool {
    let inside = |target: i64| (start as i64) < target && target < end as i64;
    let endbr = |placed: &Placed| {
        inside(placed.at as i64) && text[placed.at..].starts_with(&[0xf3, 0x0f, 0x1e, 0xfa])
    };
    let first = bounds
        .targets
        .partition_point(|&target| target <= start as i64);
    let known = bounds.known.partition_point(|&boundary| boundary <= start);
    bounds
        .targets
        .get(first)
        .is_some_and(|&target| inside(target))
        || bounds
            .known
            .get(known)
            .is_some_and(|&boundary| boundary < end)
        || context.targets.iter().any(|&target| inside(target))
        || context.before.iter().chain(&context.after).any(endbr)
}

/// The constant that `insn` puts into `eax`.
fn eax_constant(bytes: &[u8], insn: &Insn) -> Option<u32> {
    if insn.space != Space::OneByte || insn.operand_16 || insn.flow != Flow::Next {
        return None;
    }
    let extended = insn.rex & 5 != 0;
    let immediate = || {
        let at = usize::from(insn.imm);
        Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    };
    match (insn.opcode, insn.modrm) {
        (0xb8, _) | (0xc7, 0xc0) if !extended => immediate(),
        (0x31 | 0x33, 0xc0) if !extended => Some(0),
        _ => None,
    }
}
