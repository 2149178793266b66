//! The program's first stack: strings, the auxiliary vector, pointers (System V ABI AMD64, 3.4.1;
//! getauxval(3)).

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use pinion_abi::elf::ElfError;
use pinion_abi::layout::PAGE;
use pinion_abi::Errno;

use crate::boot;
use crate::mm::space::SPACE;
use crate::mm::user;

const AT_NULL: u64 = 0;
const AT_PHDR: u64 = 3;
const AT_PHENT: u64 = 4;
const AT_PHNUM: u64 = 5;
const AT_PAGESZ: u64 = 6;
const AT_BASE: u64 = 7;
const AT_FLAGS: u64 = 8;
const AT_ENTRY: u64 = 9;
const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;
const AT_PLATFORM: u64 = 15;
const AT_HWCAP: u64 = 16;
const AT_CLKTCK: u64 = 17;
const AT_SECURE: u64 = 23;
const AT_RANDOM: u64 = 25;
const AT_HWCAP2: u64 = 26;
const AT_EXECFN: u64 = 31;
const AT_SYSINFO_EHDR: u64 = 33;
const AT_MINSIGSTKSZ: u64 = 51;

/// Pages below the strings that get memory at once.
const FIRST_PAGES: u64 = 8;
/// Room that a signal frame may need: the extended state of this machine, and the rest.
const MINSIGSTKSZ: u64 = 12 << 10;

/// What the loader found out.
pub struct Start {
    pub headers: u64,
    pub header_count: u64,
    pub interpreter_base: u64,
    pub entry: u64,
    /// The vDSO's address; 0: none.
    pub vdso: u64,
    pub stack_top: u64,
}

/// Writes the stack; returns the first stack pointer.
pub fn build(start: &Start) -> Result<u64, ElfError> {
    let info = boot::info();
    let process = &info.process;
    let strings = boot::strings();
    let platform = b"x86_64\0";

    let strings_at = start.stack_top - 8 - strings.len() as u64;
    let platform_at = strings_at - platform.len() as u64;
    let random_at = (platform_at - 16) & !15;

    let pointers = pointers(strings, strings_at, info.strings.argc, info.strings.envc);
    let execfn = strings_at;
    let auxiliary = [
        (AT_SYSINFO_EHDR, start.vdso),
        (AT_MINSIGSTKSZ, MINSIGSTKSZ),
        (AT_HWCAP, process.hwcap),
        (AT_PAGESZ, PAGE),
        (AT_CLKTCK, 100),
        (AT_PHDR, start.headers),
        (AT_PHENT, 56),
        (AT_PHNUM, start.header_count),
        (AT_BASE, start.interpreter_base),
        (AT_FLAGS, 0),
        (AT_ENTRY, start.entry),
        (AT_UID, u64::from(process.uid)),
        (AT_EUID, u64::from(process.euid)),
        (AT_GID, u64::from(process.gid)),
        (AT_EGID, u64::from(process.egid)),
        (AT_SECURE, u64::from(process.secure)),
        (AT_RANDOM, random_at),
        (AT_HWCAP2, process.hwcap2),
        (AT_EXECFN, execfn),
        (AT_PLATFORM, platform_at),
        (AT_NULL, 0),
    ];
    let mut words = Vec::with_capacity(pointers.len() + 2 * auxiliary.len() + 1);
    words.push(u64::from(info.strings.argc));
    words.extend(pointers);
    for (kind, value) in auxiliary {
        if kind == AT_SYSINFO_EHDR && value == 0 {
            continue;
        }
        words.extend([kind, value]);
    }
    let told = auxiliary
        .iter()
        .filter(|(kind, value)| *kind != AT_SYSINFO_EHDR || *value != 0);
    let told = told.flat_map(|(kind, value)| [*kind, *value]);
    for (word, value) in boot::portrait().auxiliary.iter().zip(told) {
        word.store(value, Ordering::Relaxed);
    }
    let rsp = (random_at - words.len() as u64 * 8) & !15;

    let first = (rsp & !(PAGE - 1)).saturating_sub(FIRST_PAGES * PAGE);
    {
        let mut space = SPACE.lock();
        let area = *space.areas.find(rsp).ok_or(ElfError::NoMemory)?;
        space
            .fill_pages(first.max(area.start), start.stack_top, area.protection, rsp)
            .map_err(|_| ElfError::NoMemory)?;
    }
    let write = || -> Result<(), Errno> {
        user::write_slice(strings_at, strings)?;
        user::write_slice(platform_at, platform)?;
        user::write_slice(random_at, &process.random[..16])?;
        user::write_slice(rsp, &words)
    };
    write().map_err(|_| ElfError::NoMemory)?;
    let path = strings.iter().position(|byte| *byte == 0).unwrap_or(0) as u64;
    let arguments = strings_at + path + 1;
    boot::portrait().strings.store(arguments, Ordering::Release);
    Ok(rsp)
}

/// argv and envp, each ended by NULL. The first string is the program's path, no argument.
fn pointers(strings: &[u8], at: u64, argc: u32, envc: u32) -> Vec<u64> {
    let mut starts = Vec::new();
    let mut next = at;
    for string in strings.split_inclusive(|byte| *byte == 0) {
        starts.push(next);
        next += string.len() as u64;
    }
    let mut starts = starts.into_iter().skip(1);
    let mut pointers: Vec<u64> = starts.by_ref().take(argc as usize).collect();
    pointers.push(0);
    pointers.extend(starts.take(envc as usize));
    pointers.push(0);
    pointers
}
