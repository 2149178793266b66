//! ELF files (System V ABI, elf(5)): what the headers of an x86-64 program say, checked. The monitor
//! refuses by it, before a container is ready, what the kernel could not load.

use alloc::vec::Vec;

use crate::layout::{PAGE, USER_END, USER_START};

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
const MACHINE_X86_64: u16 = 62;
const TYPE_FIXED: u16 = 2;
const TYPE_SHARED: u16 = 3;
const LOAD: u32 = 1;
const INTERPRETER: u32 = 3;
const GNU_STACK: u32 = 0x6474_e551;
/// As many program headers as one page holds, as in Linux (load_elf_phdrs).
const MAX_PROGRAM_HEADERS: usize = PAGE as usize / PROGRAM_HEADER_BYTES;

/// Why a file is no program that can run here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElfError {
    NotElf,
    OtherMachine,
    NotExecutable,
    Truncated,
    BadSegment,
    NoMemory,
    NoInterpreter,
}

impl ElfError {
    /// One line for the user.
    pub fn text(self) -> &'static str {
        match self {
            ElfError::NotElf => "exec format error: not an ELF file",
            ElfError::OtherMachine => "exec format error: not for x86-64",
            ElfError::NotExecutable => "exec format error: no executable ELF file",
            ElfError::Truncated => "exec format error: the file is truncated",
            ElfError::BadSegment => "exec format error: a segment cannot be mapped",
            ElfError::NoMemory => "not enough memory to load the program",
            ElfError::NoInterpreter => "the program's interpreter (dynamic linker) was not found",
        }
    }
}

/// A PT_LOAD segment; addresses are relative to the load bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    pub address: u64,
    pub offset: u64,
    pub file_bytes: u64,
    pub memory_bytes: u64,
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// Position-independent: it can be loaded anywhere.
    pub relocatable: bool,
    pub entry: u64,
    pub segments: Vec<Segment>,
    /// Where the program headers are once loaded, and how many.
    pub headers: u64,
    pub header_count: u64,
    /// The dynamic linker's path: (offset, bytes) in the file.
    pub interpreter: Option<(u64, u64)>,
    /// PT_GNU_STACK asks for an executable stack, or is absent as in files that old.
    pub executable_stack: bool,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<u64, ElfError> {
    let field = bytes.get(at..at + N).ok_or(ElfError::Truncated)?;
    Ok(field
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

impl Elf {
    /// Reads the headers from the file's first bytes (a page, or all if it is shorter).
    pub fn parse(head: &[u8], file_bytes: u64) -> Result<Elf, ElfError> {
        if head.get(..4) != Some(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        if head.len() < HEADER_BYTES {
            return Err(ElfError::Truncated);
        }
        // 64-bit, little-endian.
        if head[4] != 2 || head[5] != 1 || number::<2>(head, 18)? != u64::from(MACHINE_X86_64) {
            return Err(ElfError::OtherMachine);
        }
        let kind = number::<2>(head, 16)? as u16;
        if kind != TYPE_FIXED && kind != TYPE_SHARED {
            return Err(ElfError::NotExecutable);
        }
        let table = number::<8>(head, 32)?;
        let count = number::<2>(head, 56)? as usize;
        if number::<2>(head, 54)? != PROGRAM_HEADER_BYTES as u64 || count == 0 {
            return Err(ElfError::NotExecutable);
        }
        if count > MAX_PROGRAM_HEADERS {
            return Err(ElfError::BadSegment);
        }
        let mut elf = Elf {
            relocatable: kind == TYPE_SHARED,
            entry: number::<8>(head, 24)?,
            segments: Vec::new(),
            headers: 0,
            header_count: count as u64,
            interpreter: None,
            executable_stack: true,
        };
        for index in 0..count {
            let at = usize::try_from(table)
                .ok()
                .and_then(|table| table.checked_add(index * PROGRAM_HEADER_BYTES))
                .filter(|at| at.checked_add(PROGRAM_HEADER_BYTES).is_some())
                .ok_or(ElfError::Truncated)?;
            elf.program_header(head, at, file_bytes, table)?;
        }
        if elf.segments.is_empty() {
            return Err(ElfError::NotExecutable);
        }
        Ok(elf)
    }

    fn program_header(
        &mut self,
        head: &[u8],
        at: usize,
        file: u64,
        table: u64,
    ) -> Result<(), ElfError> {
        let flags = number::<4>(head, at + 4)?;
        let offset = number::<8>(head, at + 8)?;
        let bytes = number::<8>(head, at + 32)?;
        match number::<4>(head, at)? as u32 {
            LOAD => {
                let segment = Segment {
                    address: number::<8>(head, at + 16)?,
                    offset,
                    file_bytes: bytes,
                    memory_bytes: number::<8>(head, at + 40)?,
                    read: flags & 4 != 0,
                    write: flags & 2 != 0,
                    execute: flags & 1 != 0,
                };
                if segment.memory_bytes == 0 {
                    return Ok(());
                }
                self.check(&segment, file)?;
                let loaded = offset..offset + bytes;
                if loaded.contains(&table) {
                    self.headers = segment.address + (table - offset);
                }
                self.segments.push(segment);
            }
            INTERPRETER => {
                if !(2..=PAGE).contains(&bytes)
                    || offset.checked_add(bytes).is_none_or(|end| end > file)
                {
                    return Err(ElfError::Truncated);
                }
                self.interpreter = Some((offset, bytes));
            }
            GNU_STACK => self.executable_stack = flags & 1 != 0,
            _ => {}
        }
        Ok(())
    }

    fn check(&self, segment: &Segment, file: u64) -> Result<(), ElfError> {
        let end = segment
            .address
            .checked_add(segment.memory_bytes)
            .ok_or(ElfError::BadSegment)?;
        let file_end = segment
            .offset
            .checked_add(segment.file_bytes)
            .ok_or(ElfError::BadSegment)?;
        if file_end > file {
            return Err(ElfError::Truncated);
        }
        let lowest = if self.relocatable { 0 } else { USER_START };
        let sensible = segment.file_bytes <= segment.memory_bytes
            && segment.address % PAGE == segment.offset % PAGE
            && segment.address >= lowest
            && end <= USER_END / 2
            && self
                .segments
                .last()
                .is_none_or(|last| last.address + last.memory_bytes <= segment.address);
        sensible.then_some(()).ok_or(ElfError::BadSegment)
    }

    /// Bytes of address space from the first segment's page to the end of the last one.
    pub fn span(&self) -> (u64, u64) {
        let start = self
            .segments
            .first()
            .map_or(0, |segment| segment.address & !(PAGE - 1));
        let end = self
            .segments
            .last()
            .map_or(0, |segment| segment.address + segment.memory_bytes);
        (start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn busybox() -> Vec<u8> {
        std::fs::read("/bin/busybox").expect("busybox-static is installed")
    }

    #[test]
    fn busybox_has_segments() {
        let file = busybox();
        let elf = Elf::parse(&file[..4096], file.len() as u64).unwrap();
        assert!(elf.segments.iter().any(|segment| segment.execute));
        assert_eq!(elf.interpreter, None);
        assert!(elf.headers > 0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut file = busybox();
        let all = file.len() as u64;
        assert_eq!(Elf::parse(&file[..4096], 8192), Err(ElfError::Truncated));
        assert_eq!(Elf::parse(&file[..40], 40), Err(ElfError::Truncated));
        assert_eq!(Elf::parse(b"#!/bin/sh\n", 10), Err(ElfError::NotElf));
        file[18] = 183;
        assert_eq!(Elf::parse(&file[..4096], all), Err(ElfError::OtherMachine));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(changes in prop::collection::vec((0usize..1024, any::<u8>()), 0..40)) {
            let mut head = busybox()[..4096].to_vec();
            for (at, byte) in changes {
                head[at] = byte;
            }
            if let Ok(elf) = Elf::parse(&head, 2 << 20) {
                for segment in &elf.segments {
                    prop_assert!(segment.address + segment.memory_bytes <= USER_END / 2);
                    prop_assert!(segment.offset + segment.file_bytes <= 2 << 20);
                }
            }
        }
    }
}
