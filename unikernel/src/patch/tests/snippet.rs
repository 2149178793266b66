//! Small pieces of machine code around one site, and the state that they run in.

use super::machine::{Machine, Outcome, Pages, Registers, FLAGS, RSP, STACK};
use crate::patch::{site_at, Kind, Site};

/// Where a snippet begins in its page, behind no-ops.
pub const CODE: usize = 256;
/// What snippets read and write, after the code.
const DATA: usize = 2048;
const DATA_END: usize = 2048 + 64;
/// A quad with the address that a snippet leaves to.
const EXIT: usize = 3072;
pub const PAGE: usize = 4096;
/// CF, PF, AF, ZF, SF, DF, OF.
const SETTABLE_FLAGS: u64 = 0xcd5;

/// An instruction of a snippet.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Plain(&'static [u8]),
    /// rip-relative: opcode and ModRM, then an offset into the data, then an immediate.
    Rip(&'static [u8], usize, &'static [u8]),
    /// `jcc rel8` to the snippet's end.
    Leave(u8),
    Site(Kind),
}

/// The snippet's page, with offsets of its instructions and of the site.
pub struct Snippet {
    pub page: Pages,
    pub pristine: Vec<u8>,
    pub starts: Vec<usize>,
    pub site: usize,
}

impl Snippet {
    pub fn new(steps: &[Step]) -> Self {
        let mut page = Pages::new(0, PAGE).unwrap();
        let lengths = steps.iter().map(|step| match step {
            Step::Plain(bytes) => bytes.len(),
            Step::Rip(bytes, _, immediate) => bytes.len() + 4 + immediate.len(),
            Step::Leave(_) | Step::Site(_) => 2,
        });
        let end = CODE + lengths.sum::<usize>();
        let mut text = vec![0x90; PAGE];
        let (mut at, mut site, mut starts) = (CODE, 0, Vec::new());
        for step in steps {
            starts.push(at);
            let bytes = match *step {
                Step::Plain(bytes) => bytes.to_vec(),
                Step::Rip(bytes, offset, immediate) => {
                    let next = at + bytes.len() + 4 + immediate.len();
                    let disp = (DATA + offset - next) as u32;
                    [bytes, &disp.to_le_bytes(), immediate].concat()
                }
                Step::Leave(condition) => vec![0x70 | condition, (end - at - 2) as u8],
                Step::Site(kind) => {
                    site = at;
                    vec![0x0f, if kind == Kind::Syscall { 0x05 } else { 0xa2 }]
                }
            };
            text[at..at + bytes.len()].copy_from_slice(&bytes);
            at += bytes.len();
        }
        let leave = [&[0xff, 0x25][..], &((EXIT - end - 6) as u32).to_le_bytes()].concat();
        text[end..end + 6].copy_from_slice(&leave);
        text[DATA..DATA_END].fill(0xff);
        text[EXIT..EXIT + 8].copy_from_slice(&Machine::exit().to_le_bytes());
        page.bytes().copy_from_slice(&text);
        Self {
            page,
            pristine: text,
            starts,
            site,
        }
    }

    pub fn address(&self, offset: usize) -> u64 {
        self.page.address() + offset as u64
    }

    pub fn run(
        &mut self,
        machine: &mut Machine,
        from: u64,
        state: &(Registers, Vec<u8>),
    ) -> (Outcome, u64) {
        machine.run(
            from,
            &state.0,
            &state.1,
            &mut self.page.bytes()[DATA..DATA_END],
        )
    }

    pub fn find(&self) -> Option<Site> {
        site_at(&self.pristine, self.site, 0..PAGE, &[CODE], 0)
    }
}

/// Registers whose low halves are no open descriptor and no valid system call.
pub fn state(seed: u64) -> (Registers, Vec<u8>) {
    let mut random = seed | 1;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        random.rotate_left(23)
    };
    let mut registers: Registers = std::array::from_fn(|_| next() | 0x8000_0000);
    registers[RSP] = Machine::stack_middle();
    registers[FLAGS] = registers[FLAGS] & SETTABLE_FLAGS | 0x202;
    (registers, (0..STACK).map(|_| next() as u8).collect())
}

pub const SYSCALL: Step = Step::Site(Kind::Syscall);
pub const CPUID: Step = Step::Site(Kind::Cpuid);
pub const GETPID: Step = Step::Plain(&[0xb8, 39, 0, 0, 0]);
pub const CMP: Step = Step::Plain(&[0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff]);
pub const XOR_EAX: Step = Step::Plain(&[0x31, 0xc0]);

/// Instructions that may stand before a site: none changes edi to a descriptor.
pub const BEFORE: &[Step] = &[
    Step::Plain(&[0x90]),
    Step::Plain(&[0x31, 0xd2]),
    Step::Plain(&[0x89, 0xde]),
    Step::Plain(&[0x48, 0x89, 0xef]),
    Step::Plain(&[0x4c, 0x8b, 0x44, 0x24, 0xf8]),
    Step::Plain(&[0x48, 0xc7, 0x44, 0x24, 0xf0, 1, 2, 3, 4]),
    Step::Plain(&[0x83, 0xfb, 0x05]),
    Step::Plain(&[0xf9]),
    Step::Plain(&[0xf5]),
    Step::Plain(&[0x50]),
    Step::Plain(&[0x41, 0x5a]),
    Step::Plain(&[0x0f, 0x94, 0xc1]),
    Step::Plain(&[0x48, 0x0f, 0xaf, 0xd6]),
    Step::Plain(&[0x49, 0xb9, 1, 2, 3, 4, 5, 6, 7, 8]),
    Step::Plain(&[0x66, 0x41, 0xbb, 1, 2]),
    Step::Plain(&[0x41, 0xb8, 39, 0, 0, 0]),
    Step::Rip(&[0x8b, 0x3d], 0, &[]),
    Step::Rip(&[0x48, 0x8d, 0x35], 8, &[]),
    Step::Rip(&[0x80, 0x3d], 16, &[7]),
    Step::Rip(&[0xc7, 0x05], 24, &[1, 2, 3, 4]),
    Step::Rip(&[0xf7, 0x05], 24, &[1, 2, 3, 4]),
    Step::Rip(&[0x66, 0x81, 0x05], 32, &[1, 2]),
    Step::Leave(2),
    Step::Leave(4),
    Step::Leave(5),
    Step::Leave(12),
];

pub const LOAD: &[Step] = &[
    GETPID,
    XOR_EAX,
    Step::Plain(&[0x48, 0xc7, 0xc0, 102, 0, 0, 0]),
    Step::Plain(&[0xb8, 24, 0, 0, 0]),
    Step::Plain(&[0x89, 0xd8]),
    Step::Plain(&[0x44, 0x89, 0xe8]),
];

pub const LOAD_LEAF: &[Step] = &[
    XOR_EAX,
    Step::Plain(&[0xb8, 7, 0, 0, 0]),
    Step::Plain(&[0xb8, 0, 0, 0, 0x80]),
    Step::Plain(&[0xb8, 8, 0, 0, 0x80]),
];

pub const AFTER: &[Step] = &[
    CMP,
    Step::Plain(&[0x85, 0xc0]),
    Step::Plain(&[0x89, 0xc2]),
    Step::Plain(&[0x90]),
    Step::Rip(&[0x89, 0x05], 40, &[]),
    Step::Rip(&[0x48, 0x89, 0x1d], 48, &[]),
    Step::Leave(7),
    Step::Leave(3),
];
