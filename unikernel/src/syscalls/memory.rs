//! mmap(2) and its family.

use core::sync::atomic::Ordering;

use pinion_abi::calls::machine;
use pinion_abi::layout::{GRANULE, PAGE, USER_END, USER_START};
use pinion_abi::Errno;

use super::{limits, mapped};
use crate::arch::Frame;
use crate::boot;
use crate::channel;
use crate::mm::areas::{page_up, Area, Backing, PROT_EXEC, PROT_READ, PROT_WRITE};
use crate::mm::space::{AddressSpace, SPACE};
use crate::mm::{memory, table};
use crate::text::{self, Text};

const MAP_SHARED: u64 = 0x01;
const MAP_PRIVATE: u64 = 0x02;
const MAP_SHARED_VALIDATE: u64 = 0x03;
const MAP_TYPE: u64 = 0x0f;
pub(super) const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_32BIT: u64 = 0x40;
const MAP_GROWSDOWN: u64 = 0x100;
const MAP_POPULATE: u64 = 0x8000;
const MAP_HUGETLB: u64 = 0x4_0000;
const MAP_NORESERVE: u64 = 0x4000;
pub(super) const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;

const PROT_ALL: u64 = (PROT_READ | PROT_WRITE | PROT_EXEC) as u64;
/// PROT_GROWSDOWN and PROT_GROWSUP are for the stack's own use; Linux takes them.
const PROT_GROWS: u64 = 0x0300_0000;

/// An anonymous mapping up to this size gets its pages when it is made: they will be used.
const SURELY_USED: u64 = 128 << 10;

fn protection(bits: u64) -> Result<u32, Errno> {
    if bits & !(PROT_ALL | PROT_GROWS) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((bits & PROT_ALL) as u32)
}

/// The range of a call that names whole pages.
pub(super) fn range(start: u64, bytes: u64) -> Result<(u64, u64), Errno> {
    let bytes = page_up(bytes).ok_or(Errno::ENOMEM)?;
    let end = start.checked_add(bytes).ok_or(Errno::EINVAL)?;
    if start % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((start, end))
}

/// Whether the program may have `bytes` more (RLIMIT_AS, and RLIMIT_DATA for private writable ones).
fn may_grow(space: &AddressSpace, bytes: u64, data: bool) -> bool {
    let limit = limits::soft(limits::AS);
    if limit != u64::MAX && space.areas.bytes().saturating_add(bytes) > limit {
        return false;
    }
    let limit = limits::soft(limits::DATA);
    if !data || limit == u64::MAX {
        return true;
    }
    let is_data = |area: &&Area| {
        area.protection & PROT_WRITE != 0 && matches!(area.backing, Backing::Anonymous)
    };
    let used: u64 = space
        .areas
        .iter()
        .filter(is_data)
        .map(|area| area.end - area.start)
        .sum();
    used.saturating_add(bytes) <= limit
}

/// The first area of the kernel's own that meets `start..end`.
fn kernel_area(space: &AddressSpace, start: u64, end: u64) -> Option<Area> {
    let mut at = start;
    while let Some(area) = space.areas.at_or_after(at).filter(|area| area.start < end) {
        if area.backing == Backing::Kernel {
            return Some(*area);
        }
        at = area.end;
    }
    None
}

fn overlaps_kernel(space: &AddressSpace, start: u64, end: u64) -> bool {
    kernel_area(space, start, end).is_some()
}

/// Chooses the addresses of a new mapping, and frees them where MAP_FIXED says so.
pub(super) fn place(
    space: &mut AddressSpace,
    hint: u64,
    bytes: u64,
    flags: u64,
) -> Result<u64, Errno> {
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0;
    let fits = |start: u64| start.checked_add(bytes).is_some_and(|end| end <= USER_END);
    if fixed {
        if hint % PAGE != 0 {
            return Err(Errno::EINVAL);
        }
        if !fits(hint) {
            return Err(Errno::ENOMEM);
        }
        if hint < USER_START {
            return Err(Errno::EPERM);
        }
        let end = hint + bytes;
        if flags & MAP_FIXED_NOREPLACE != 0 && space.areas.meets(hint, end) {
            return Err(Errno::EEXIST);
        }
        if overlaps_kernel(space, hint, end) {
            return Err(Errno::ENOMEM);
        }
        text::forget(hint, end);
        space.unmap(hint, end)?;
        return Ok(hint);
    }
    let hint = hint & !(PAGE - 1);
    if hint >= USER_START && fits(hint) && !space.areas.meets(hint, hint + bytes) {
        return Ok(hint);
    }
    let align = if bytes >= GRANULE { GRANULE } else { PAGE };
    let limit = if flags & MAP_32BIT != 0 {
        1 << 31
    } else {
        space.top
    };
    let mut free = |align| space.areas.find_free(bytes, align, limit);
    free(align).or_else(|| free(PAGE)).ok_or(Errno::ENOMEM)
}

pub fn mmap(frame: &mut Frame) -> Result<u64, Errno> {
    let [hint, bytes, prot, flags, descriptor, offset] = frame.args();
    let protection = protection(prot)?;
    if bytes == 0 || offset % PAGE != 0 {
        return Err(Errno::EINVAL);
    }
    let bytes = page_up(bytes)
        .filter(|bytes| *bytes <= USER_END)
        .ok_or(Errno::ENOMEM)?;
    let shared = match flags & MAP_TYPE {
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL),
    };
    if flags & MAP_HUGETLB != 0 {
        // There are no pages in the host's hugetlbfs pool for guests.
        return Err(Errno::ENOMEM);
    }
    let mut space = SPACE.lock();
    let private_data = !shared && protection & PROT_WRITE != 0;
    if !may_grow(&space, bytes, private_data) {
        return Err(Errno::ENOMEM);
    }
    if flags & MAP_ANONYMOUS != 0 && !shared {
        let start = place(&mut space, hint, bytes, flags)?;
        space.areas.insert(Area {
            start,
            end: start + bytes,
            protection,
            backing: if flags & MAP_GROWSDOWN != 0 {
                Backing::Stack
            } else {
                Backing::Anonymous
            },
            faults: 0,
        });
        let soon = bytes <= SURELY_USED && flags & MAP_NORESERVE == 0;
        if protection & PROT_WRITE != 0 && (soon || flags & MAP_POPULATE != 0) {
            // No error if memory runs out: then the first touch tells.
            let _ = space.fill_pages(start, start + bytes, protection, start + bytes);
        }
        return Ok(start);
    }
    let source = match flags & MAP_ANONYMOUS {
        0 => Source::File { descriptor, offset },
        _ => Source::New,
    };
    if let Source::File { descriptor, offset } = source {
        let (start, end) = (hint, hint.saturating_add(bytes));
        let again = !shared && flags & MAP_FIXED != 0;
        if again && mapped::holds(&space, start, end, descriptor, offset) {
            text::forget(start, end);
            space.protect(start, end, protection)?;
            if protection & PROT_WRITE != 0 && bytes <= memory::SURELY_WRITTEN {
                space.populate(start, end);
            }
            drop(space);
            prepare_text(start, bytes, protection, descriptor, offset);
            return Ok(start);
        }
        mapped::forget();
    }
    let (file, backing) = open_file(bytes, protection, shared, source)?;
    let mapped = place(&mut space, hint, bytes, flags)
        .and_then(|start| map_file(&mut space, start, bytes, protection, file, backing));
    let start = mapped.inspect_err(|_| close_file(file, bytes))?;
    if let Source::File { descriptor, offset } = source {
        if !shared && protection == PROT_READ {
            mapped::note(start, start + bytes, descriptor, offset);
        }
        drop(space);
        prepare_text(start, bytes, protection, descriptor, offset);
    }
    Ok(start)
}

fn prepare_text(start: u64, bytes: u64, protection: u32, descriptor: u64, offset: u64) {
    if protection & PROT_EXEC != 0 {
        text::prepare(&Text {
            start,
            bytes,
            descriptor: Some(descriptor),
            offset,
        });
    }
}

/// What the host maps.
#[derive(Clone, Copy)]
enum Source {
    File {
        descriptor: u64,
        offset: u64,
    },
    /// Memory that is shared with children.
    New,
}

/// Has the host map a file over pages of physical memory: those, and how they may be used.
fn open_file(
    bytes: u64,
    protection: u32,
    shared: bool,
    source: Source,
) -> Result<(u64, Backing), Errno> {
    let pages = (bytes / PAGE) as usize;
    let physical = memory::allocate_file_pages(pages).ok_or(Errno::ENOMEM)?;
    let (descriptor, offset, kind) = match source {
        Source::File { descriptor, offset } => (descriptor, offset, 0),
        Source::New => (0, 0, machine::MAP_FILE_ANONYMOUS),
    };
    let map = |flags| {
        let args = [descriptor, offset, physical, bytes, flags | kind];
        channel::result(channel::machine_call(machine::MAP_FILE, args))
    };
    let result = if shared {
        // With the right to write if the descriptor has it: mprotect(2) may ask for it later.
        match map(machine::MAP_FILE_SHARED | machine::MAP_FILE_WRITE) {
            Err(_) if protection & PROT_WRITE == 0 => map(machine::MAP_FILE_SHARED).map(|_| false),
            other => other.map(|_| true),
        }
    } else {
        let written = protection & PROT_WRITE != 0 && bytes <= memory::SURELY_WRITTEN;
        map(if written { machine::MAP_FILE_WRITE } else { 0 }).map(|_| true)
    };
    match result {
        Ok(writable) => Ok((physical, Backing::File { shared, writable })),
        Err(error) => {
            free_file_pages(physical, pages);
            Err(error)
        }
    }
}

/// Gives back what `open_file` gave.
fn close_file(physical: u64, bytes: u64) {
    memory::unmap_file(physical, bytes);
    free_file_pages(physical, (bytes / PAGE) as usize);
}

pub(super) fn map_file(
    space: &mut AddressSpace,
    start: u64,
    bytes: u64,
    protection: u32,
    physical: u64,
    backing: Backing,
) -> Result<u64, Errno> {
    space.areas.insert(Area {
        start,
        end: start + bytes,
        protection,
        backing,
        faults: 0,
    });
    let pages = (bytes / PAGE) as usize;
    match space.map_physical(start, physical, pages, protection, table::FILE) {
        Some(()) => Ok(start),
        None => {
            space.forget(start, start + bytes);
            Err(Errno::ENOMEM)
        }
    }
}

pub(super) fn free_file_pages(physical: u64, pages: usize) {
    let per_granule = (GRANULE / PAGE) as usize;
    let mut at = physical;
    let mut left = pages;
    while left > 0 {
        let count = left.min(per_granule - (at % GRANULE / PAGE) as usize);
        memory::free_pages(at, count);
        at += count as u64 * PAGE;
        left -= count;
    }
}

pub fn munmap(frame: &mut Frame) -> Result<u64, Errno> {
    mapped::forget();
    let (start, end) = range(frame.rdi, frame.rsi)?;
    if start == end || end > USER_END {
        return Err(Errno::EINVAL);
    }
    let mut space = SPACE.lock();
    let mut at = start;
    while at < end {
        // What the kernel has there for itself stays.
        let kernel = kernel_area(&space, at, end);
        let stop = kernel.map_or(end, |area| area.start.max(at));
        text::forget(at, stop);
        space.unmap(at, stop)?;
        at = kernel.map_or(end, |area| area.end);
    }
    Ok(0)
}

pub fn mprotect(frame: &mut Frame) -> Result<u64, Errno> {
    mapped::forget();
    let (start, end) = range(frame.rdi, frame.rsi)?;
    let protection = protection(frame.rdx)?;
    if start == end {
        return Ok(0);
    }
    let mut space = SPACE.lock();
    if !space.areas.covers(start, end) {
        return Err(Errno::ENOMEM);
    }
    if overlaps_kernel(&space, start, end) {
        return Err(Errno::EACCES);
    }
    if protection & PROT_WRITE != 0 {
        let mut at = start;
        while let Some(area) = space.areas.at_or_after(at).filter(|area| area.start < end) {
            if matches!(
                area.backing,
                Backing::File {
                    writable: false,
                    ..
                }
            ) {
                return Err(Errno::EACCES);
            }
            at = area.end;
        }
    }
    space.protect(start, end, protection)?;
    Ok(0)
}

/// pkey_mprotect(2): there are no keys but -1, which is none.
pub fn pkey_mprotect(frame: &mut Frame) -> Result<u64, Errno> {
    match frame.r10 as i32 {
        -1 => mprotect(frame),
        _ => Err(Errno::EINVAL),
    }
}

pub fn brk(frame: &mut Frame) -> Result<u64, Errno> {
    let wanted = frame.rdi;
    let mut space = SPACE.lock();
    let now = space.break_end;
    if wanted < space.break_start || wanted > space.top {
        return Ok(now);
    }
    let (Some(old), Some(new)) = (page_up(now), page_up(wanted)) else {
        return Ok(now);
    };
    if new > old {
        if space.areas.meets(old, new) || !may_grow(&space, new - old, true) {
            return Ok(now);
        }
        let protection = PROT_READ | PROT_WRITE;
        space.map_anonymous(old, new, protection);
        if new - old <= 2 * SURELY_USED {
            // As for mmap.
            let _ = space.fill_pages(old, new, protection, new);
        }
    } else if new < old && space.unmap(new, old).is_err() {
        return Ok(now);
    }
    space.break_end = wanted;
    let told = &boot::portrait().break_end;
    told.store(wanted, Ordering::Relaxed);
    Ok(wanted)
}

const MREMAP_MAYMOVE: u64 = 1;
const MREMAP_FIXED: u64 = 2;
const MREMAP_DONTUNMAP: u64 = 4;

pub fn mremap(frame: &mut Frame) -> Result<u64, Errno> {
    mapped::forget();
    let [start, old, new, flags, target, _] = frame.args();
    if start % PAGE != 0 || new == 0 || flags & !(MREMAP_MAYMOVE | MREMAP_FIXED) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & MREMAP_FIXED != 0 && flags & MREMAP_MAYMOVE == 0 || flags & MREMAP_DONTUNMAP != 0 {
        return Err(Errno::EINVAL);
    }
    let (Some(old), Some(new)) = (page_up(old), page_up(new)) else {
        return Err(Errno::EINVAL);
    };
    let mut space = SPACE.lock();
    let area = *space.areas.find(start).ok_or(Errno::EFAULT)?;
    let end = start.checked_add(old).ok_or(Errno::EINVAL)?;
    if old == 0 || area.backing == Backing::Kernel {
        return Err(Errno::EINVAL);
    }
    if end > area.end {
        return Err(Errno::EFAULT);
    }
    if flags & MREMAP_FIXED == 0 && new <= old {
        if new < old {
            space.unmap(start + new, end)?;
        }
        return Ok(start);
    }
    if new > old && !may_grow(&space, new - old, area.protection & PROT_WRITE != 0) {
        return Err(Errno::ENOMEM);
    }
    let file = matches!(area.backing, Backing::File { .. });
    let grows = new.saturating_sub(old);
    if flags & MREMAP_FIXED == 0 && !file && end == area.end && !space.areas.meets(end, end + grows)
    {
        space.areas.insert(Area {
            start: end,
            end: end + grows,
            faults: 0,
            ..area
        });
        return Ok(start);
    }
    if flags & MREMAP_MAYMOVE == 0 {
        return Err(Errno::ENOMEM);
    }
    if file && new > old {
        // The pages behind the old end would have to be the file's next ones.
        return Err(Errno::ENOMEM);
    }
    let to = if flags & MREMAP_FIXED != 0 {
        if target < start + old && start < target.saturating_add(new) {
            return Err(Errno::EINVAL);
        }
        place(&mut space, target, new, MAP_FIXED)?
    } else {
        place(&mut space, 0, new, 0)?
    };
    space.areas.insert(Area {
        start: to,
        end: to + new,
        faults: area.faults,
        ..area
    });
    let moved = old.min(new);
    space.move_pages(start, to, moved)?;
    space.unmap(start, end)?;
    Ok(to)
}
