//! The host's vDSO (vdso(7)): its pages are given to the guest, so clocks are read without leaving
//! it and agree with the host's to the nanosecond.

use core::sync::atomic::{AtomicU64, Ordering};

use pinion_abi::layout::{PAGE, VDSO, VDSO_PHYSICAL};

use crate::boot;
use crate::mm::areas::{Area, Backing, PROT_EXEC, PROT_READ};
use crate::mm::space::AddressSpace;
use crate::mm::table;

/// The address of `__vdso_clock_gettime`; 0: none.
static CLOCK_GETTIME: AtomicU64 = AtomicU64::new(0);

/// Maps the pages into the program's address space; returns the vDSO's address, or 0.
pub fn map(space: &mut AddressSpace) -> u64 {
    let info = boot::info();
    let bytes = info.vdso_bytes;
    if bytes == 0 {
        return 0;
    }
    let Some(start) = space.areas.find_free(bytes, PAGE, space.top) else {
        return 0;
    };
    let protection = PROT_READ | PROT_EXEC;
    let area = Area {
        start,
        end: start + bytes,
        protection,
        backing: Backing::Kernel,
        faults: 0,
    };
    space.areas.insert(area);
    let pages = (bytes / PAGE) as usize;
    let mut map = |at| space.map_physical(at, VDSO_PHYSICAL, pages, protection, table::FOREIGN);
    if map(start).and_then(|()| map(VDSO)).is_none() {
        return 0;
    }
    let image = VDSO + info.vdso_image;
    let room = (bytes - info.vdso_image) as usize;
    // SAFETY: the pages were just mapped readable, and the host does not change the image.
    let elf = unsafe { core::slice::from_raw_parts(image as *const u8, room) };
    if let Some(offset) = find_symbol(elf, b"__vdso_clock_gettime") {
        CLOCK_GETTIME.store(image + offset, Ordering::Relaxed);
    }
    start + info.vdso_image
}

/// The time of a clock, if the vDSO reads it without a system call.
pub fn clock_gettime(clock: i32) -> Option<[i64; 2]> {
    // Realtime, monotonic, raw, the coarse ones, boottime, TAI (linux/time.h).
    if !matches!(clock, 0 | 1 | 4 | 5 | 6 | 7 | 11) {
        return None;
    }
    let function = CLOCK_GETTIME.load(Ordering::Relaxed);
    if function == 0 {
        return None;
    }
    let mut time = [0i64; 2];
    // SAFETY: the address is that of the function in the mapped image, whose type this is; the
    // monitor gives the pages only when the clock source needs no system call.
    let status = unsafe {
        let function: extern "C" fn(i32, *mut [i64; 2]) -> i32 =
            core::mem::transmute(function as *const ());
        function(clock, &mut time)
    };
    (status == 0).then_some(time)
}

fn number<const N: usize>(elf: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let field = elf.get(at..at.checked_add(N)?)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

/// The offset of a dynamic symbol, by the section headers (elf(5)).
fn find_symbol(elf: &[u8], name: &[u8]) -> Option<u64> {
    const DYNAMIC_SYMBOLS: u64 = 11;
    const SYMBOL_BYTES: u64 = 24;
    let sections = number::<8>(elf, 40)?;
    let section_bytes = number::<2>(elf, 58)?;
    let section = |index: u64| sections + index * section_bytes;
    let table = (0..number::<2>(elf, 60)?)
        .map(section)
        .find(|at| number::<4>(elf, at + 4) == Some(DYNAMIC_SYMBOLS))?;
    let (symbols, bytes) = (number::<8>(elf, table + 24)?, number::<8>(elf, table + 32)?);
    let strings = number::<8>(elf, section(number::<4>(elf, table + 40)?) + 24)?;
    for index in 0..bytes / SYMBOL_BYTES {
        let symbol = symbols + index * SYMBOL_BYTES;
        let text = usize::try_from(strings + number::<4>(elf, symbol)?).ok()?;
        let found = elf.get(text..)?;
        if found.starts_with(name) && found.get(name.len()) == Some(&0) {
            return number::<8>(elf, symbol + 8);
        }
    }
    None
}
