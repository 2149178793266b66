//! Maps the segments of ELF files. The host maps the file over guest memory, so its page cache is
//! shared with all who run the same program.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use pinion_abi::boot::ProcessInfo;
use pinion_abi::calls::{machine, Wait};
use pinion_abi::elf::{Elf, ElfError, Segment};
use pinion_abi::layout::{selector, PAGE, PHYSICAL, USER_END};
use pinion_abi::Errno;

use super::stack::{self, Start};
use crate::arch::Frame;
use crate::boot;
use crate::channel;
use crate::mm::areas::{Area, Backing, PROT_EXEC, PROT_READ, PROT_WRITE};
use crate::mm::space::{AddressSpace, SPACE};
use crate::mm::{memory, table};
use crate::syscalls::{limits, process};
use crate::text::{self, Text};
use crate::vdso;

/// Where position-independent programs are loaded, give or take (Linux's ELF_ET_DYN_BASE).
const PROGRAM_BASE: u64 = 0x5555_5555_4000;
/// So much of a segment that is zero gets its pages at once.
const SURELY_USED: u64 = 128 << 10;
/// What RLIMIT_STACK unlimited means here.
const LARGEST_STACK: u64 = 1 << 30;

/// A file that the monitor has open: the guest's descriptor, or the program itself.
#[derive(Clone, Copy)]
enum File {
    Program,
    Descriptor(u64),
}

impl File {
    fn map(self, offset: u64, physical: u64, bytes: u64, flags: u64) -> Result<(), ElfError> {
        let (descriptor, flag) = match self {
            File::Program => (0, machine::MAP_FILE_EXECUTABLE),
            File::Descriptor(number) => (number, 0),
        };
        let args = [descriptor, offset, physical, bytes, flags | flag];
        match channel::machine_call(machine::MAP_FILE, args) {
            0.. => Ok(()),
            _ => Err(ElfError::BadSegment),
        }
    }

    fn descriptor(self) -> Option<u64> {
        match self {
            File::Program => None,
            File::Descriptor(number) => Some(number),
        }
    }

    /// The file's first page.
    fn head(self, bytes: u64) -> Result<&'static [u8], ElfError> {
        let page = memory::allocate_file_pages(1).ok_or(ElfError::NoMemory)?;
        self.map(0, page, PAGE, 0)?;
        let length = bytes.min(PAGE) as usize;
        // SAFETY: the page is ours and stays mapped; the file may change under us, but each byte
        // is read once by the parser.
        Ok(unsafe { core::slice::from_raw_parts((PHYSICAL + page) as *const u8, length) })
    }
}

/// Random bits for the placement of mappings: `slot` tells the uses apart.
fn random_pages(process: &ProcessInfo, slot: usize, bits: u32) -> u64 {
    let at = 16 + slot * 4;
    let bytes = process.random[at..at + 4].try_into().unwrap_or([0; 4]);
    u64::from(u32::from_le_bytes(bytes) & ((1 << bits) - 1)) * PAGE
}

/// Loads the program that the monitor names; returns its first registers.
pub fn load() -> Result<Frame, ElfError> {
    let info = boot::info();
    let process = &info.process;
    let path = boot::strings()
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or(&[]);
    process::begin(path);

    let elf = Elf::parse(
        File::Program.head(process.executable_bytes)?,
        process.executable_bytes,
    )?;
    let mut space = SPACE.lock();
    let stack_top = USER_END - PAGE - random_pages(process, 0, 12);
    let stack_bytes = limits::soft(limits::STACK).clamp(128 << 10, LARGEST_STACK) & !(PAGE - 1);
    let protection = PROT_READ | PROT_WRITE | if elf.executable_stack { PROT_EXEC } else { 0 };
    space.areas.insert(Area {
        start: stack_top - stack_bytes,
        end: stack_top,
        protection,
        backing: Backing::Stack,
        faults: 0,
    });
    space.top = stack_top - stack_bytes - (1 << 20) - random_pages(process, 1, 16);

    let bias = if elf.relocatable {
        PROGRAM_BASE + random_pages(process, 2, 16)
    } else {
        0
    };
    let mut texts = map_segments(&mut space, &elf, bias, File::Program)?;
    let end = (bias + elf.span().1).next_multiple_of(PAGE);
    space.break_start = end + random_pages(process, 3, 8);
    space.break_end = space.break_start;

    let mut entry = bias + elf.entry;
    let mut interpreter_base = 0;
    let mut interpreter = None;
    if let Some((offset, bytes)) = elf.interpreter {
        drop(space);
        let descriptor = open_interpreter(offset, bytes)?;
        let file = File::Descriptor(descriptor);
        let bytes = file_bytes(descriptor)?;
        let linker = Elf::parse(file.head(bytes)?, bytes)?;
        let (start, end) = linker.span();
        space = SPACE.lock();
        let room = (end - start).next_multiple_of(PAGE);
        let top = space.top;
        let at = space
            .areas
            .find_free(room, PAGE, top)
            .ok_or(ElfError::NoMemory)?;
        interpreter_base = at - start;
        texts.extend(map_segments(&mut space, &linker, interpreter_base, file)?);
        entry = interpreter_base + linker.entry;
        interpreter = Some(descriptor);
    }
    let vdso = vdso::map(&mut space);
    drop(space);
    texts.iter().for_each(text::prepare);
    if let Some(descriptor) = interpreter {
        let _ = channel::host_call(CLOSE, [descriptor, 0, 0, 0, 0, 0]);
    }

    let start = Start {
        headers: bias + elf.headers,
        header_count: elf.header_count,
        interpreter_base,
        entry: bias + elf.entry,
        vdso,
        stack_top,
    };
    let rsp = stack::build(&start)?;
    tell(&elf, bias, rsp, &start);
    Ok(Frame {
        rip: entry,
        cs: u64::from(selector::USER_CODE),
        flags: crate::arch::entry::KERNEL_FLAGS,
        rsp,
        ss: u64::from(selector::USER_DATA),
        ..Frame::default()
    })
}

/// Writes what the monitor tells of the program.
fn tell(elf: &Elf, bias: u64, rsp: u64, start: &Start) {
    let portrait = boot::portrait();
    let space = SPACE.lock();
    let (mut text, mut data) = ([0; 2], [0; 2]);
    for segment in &elf.segments {
        let from = bias + segment.address;
        if segment.execute {
            text = [from, from + segment.file_bytes];
        } else if segment.write {
            data = [from, from + segment.file_bytes];
        }
    }
    let image = boot::info().vdso_image;
    for (word, value) in [
        (&portrait.areas, space.areas.head()),
        (&portrait.break_start, space.break_start),
        (&portrait.break_end, space.break_end),
        (&portrait.stack_end, start.stack_top),
        (&portrait.stack_start, rsp),
        (&portrait.text[0], text[0]),
        (&portrait.text[1], text[1]),
        (&portrait.data[0], data[0]),
        (&portrait.data[1], data[1]),
        (&portrait.vdso[0], start.vdso.saturating_sub(image)),
        (&portrait.vdso[1], start.vdso),
    ] {
        word.store(value, Ordering::Relaxed);
    }
    drop(space);
    limits::tell();
}

/// Maps all segments; returns the executable ones.
fn map_segments(
    space: &mut AddressSpace,
    elf: &Elf,
    bias: u64,
    file: File,
) -> Result<Vec<Text>, ElfError> {
    let mut texts = Vec::new();
    for segment in &elf.segments {
        map_segment(space, segment, bias, file)?;
        if segment.execute && segment.file_bytes > 0 {
            texts.push(Text {
                start: bias + segment.address,
                bytes: segment.file_bytes,
                descriptor: file.descriptor(),
                offset: segment.offset,
            });
        }
    }
    Ok(texts)
}

fn map_segment(
    space: &mut AddressSpace,
    segment: &Segment,
    bias: u64,
    file: File,
) -> Result<(), ElfError> {
    let mut protection = 0;
    for (wanted, bit) in [
        (segment.read, PROT_READ),
        (segment.write, PROT_WRITE),
        (segment.execute, PROT_EXEC),
    ] {
        protection |= if wanted { bit } else { 0 };
    }
    let address = bias + segment.address;
    let start = address & !(PAGE - 1);
    let file_end = (address + segment.file_bytes).next_multiple_of(PAGE);
    let end = (address + segment.memory_bytes).next_multiple_of(PAGE);
    // Segments may share a page: the later one has it, as with mmap's MAP_FIXED.
    space.unmap(start, end).map_err(|_| ElfError::NoMemory)?;
    if segment.file_bytes > 0 {
        let bytes = file_end - start;
        let physical =
            memory::allocate_file_pages((bytes / PAGE) as usize).ok_or(ElfError::NoMemory)?;
        file.map(segment.offset & !(PAGE - 1), physical, bytes, 0)?;
        if segment.write && bytes <= memory::SURELY_WRITTEN {
            memory::populate(physical, bytes);
        }
        let backing = Backing::File {
            shared: false,
            writable: true,
        };
        space.areas.insert(Area {
            start,
            end: file_end,
            protection,
            backing,
            faults: 0,
        });
        space
            .map_physical(
                start,
                physical,
                (bytes / PAGE) as usize,
                protection,
                table::FILE,
            )
            .ok_or(ElfError::NoMemory)?;
        let tail = address + segment.file_bytes;
        if segment.memory_bytes > segment.file_bytes && segment.write && tail < file_end {
            let to = PHYSICAL + physical + (tail - start);
            // SAFETY: the rest of the segment's last page, in memory that is ours.
            unsafe { core::ptr::write_bytes(to as *mut u8, 0, (file_end - tail) as usize) };
        }
    }
    let zero_start = if segment.file_bytes > 0 {
        file_end
    } else {
        start
    };
    if end > zero_start {
        space.map_anonymous(zero_start, end, protection);
        let soon = end.min(zero_start + SURELY_USED);
        space
            .fill_pages(zero_start, soon, protection, zero_start)
            .map_err(|_| ElfError::NoMemory)?;
    }
    Ok(())
}

const OPENAT: u32 = 257;
const CLOSE: u32 = 3;
const FSTAT: u32 = 5;
const AT_FDCWD: u64 = -100i64 as u64;
const O_CLOEXEC: u64 = 0o2_000_000;
/// The offset of st_size in struct stat.
const STAT_SIZE: u64 = 48;

/// Opens the dynamic linker whose path stands at `offset` in the program's file.
fn open_interpreter(offset: u64, bytes: u64) -> Result<u64, ElfError> {
    let start = offset & !(PAGE - 1);
    let pages = (offset + bytes).next_multiple_of(PAGE) - start;
    let physical =
        memory::allocate_file_pages((pages / PAGE) as usize).ok_or(ElfError::NoMemory)?;
    File::Program.map(start, physical, pages, 0)?;
    let slot = channel::Owned::take();
    let to = pinion_abi::channel::DATA as u64;
    let from = PHYSICAL + physical + (offset - start);
    // SAFETY: at most a page, which the slot's data have room for; the last byte is made zero.
    unsafe {
        let path = (slot.address() + to) as *mut u8;
        core::ptr::copy_nonoverlapping(from as *const u8, path, bytes as usize);
        path.add(bytes as usize - 1).write(0);
    }
    let args = [AT_FDCWD, to, O_CLOEXEC, 0, 0, 0];
    let opened = channel::result(slot.call(OPENAT, &args, Wait::Always));
    memory::unmap_file(physical, pages);
    memory::free_pages(physical, (pages / PAGE) as usize);
    opened.map_err(|_: Errno| ElfError::NoInterpreter)
}

fn file_bytes(descriptor: u64) -> Result<u64, ElfError> {
    let slot = channel::Owned::take();
    let to = pinion_abi::channel::DATA as u64;
    let args = [descriptor, to, 0, 0, 0, 0];
    channel::result(slot.call(FSTAT, &args, Wait::Never)).map_err(|_| ElfError::NoInterpreter)?;
    // SAFETY: the answer is a struct stat in the slot's data.
    Ok(unsafe { ((slot.address() + to + STAT_SIZE) as *const u64).read() })
}
