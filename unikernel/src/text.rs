//! The program's text: `syscall` and `cpuid` sites are patched when it is mapped, and at a first
//! trap.

use alloc::vec::Vec;

use pinion_abi::calls::{machine, Wait};
use pinion_abi::layout::{PAGE, PHYSICAL, USER_START};
use spin::Mutex;

use crate::arch::entry;
use crate::boot;
use crate::channel;
use crate::mm::areas::{Area, Backing, PROT_EXEC, PROT_READ};
use crate::mm::space::{Access, AddressSpace, SPACE};
use crate::mm::{memory, table};
use crate::patch::{self, Kind, Site, TrampolineRegion};
use crate::threads::scheduler;
use crate::vcpus;

/// Text up to this size is searched for `cpuid` when it is mapped: as much as the monitor makes
/// present at once.
const SEARCHED: u64 = 4 << 20;
/// Bytes of a region of trampolines.
const REGION: u64 = 64 << 10;
/// How far from its text a region may lie: the reach of a jump, less the largest text.
const REACH: u64 = 1 << 30;
/// Branches into a site's bytes are looked for this far around it.
const WINDOW: u64 = 4096;

static REGIONS: Mutex<Vec<TrampolineRegion>> = Mutex::new(Vec::new());
/// Sites which cannot be patched, so that each is tried once.
static REFUSED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// Executable memory that is a file's.
pub struct Text {
    /// Where it is mapped, and its bytes.
    pub start: u64,
    pub bytes: u64,
    /// The guest's descriptor of the file; `None`: the program's own.
    pub descriptor: Option<u64>,
    /// Where the text begins in the file.
    pub offset: u64,
}

/// Detours the `cpuid` sites of text that was just mapped, which would leave the guest each time.
/// System calls wait for their first trap: programs use few of their sites, and each patch costs
/// a page of its own.
pub fn prepare(text: &Text) {
    if text.bytes > SEARCHED {
        return;
    }
    let candidates = find_cpuid(text);
    let mut space = SPACE.lock();
    let mut regions = REGIONS.lock();
    let mut rest = &candidates[..];
    while let Some(first) = rest.first() {
        // Neighbours are looked at together: their pages are touched once.
        let near = |pair: &&[u32]| u64::from(pair[1] - pair[0]) <= 2 * WINDOW;
        let count = 1 + rest.windows(2).take_while(near).count();
        let last = u64::from(rest[count - 1]);
        let from = u64::from(*first).saturating_sub(WINDOW);
        let to = (last + WINDOW).min(text.bytes);
        rest = &rest[count..];
        detour(&mut space, &mut regions, text.start + from, text.start + to);
    }
}

/// Where the bytes of `cpuid` stand in the text, as the monitor finds them: faster than touching
/// all its pages from here.
fn find_cpuid(text: &Text) -> Vec<u32> {
    let slot = channel::Owned::take();
    let to = pinion_abi::channel::DATA as u64;
    let flags = match text.descriptor {
        Some(_) => 0,
        None => machine::MAP_FILE_EXECUTABLE,
    };
    let descriptor = text.descriptor.unwrap_or(0);
    let args = [descriptor, text.offset, text.bytes, to, flags, 0];
    let found = slot.call(machine::FIND_CPUID, &args, Wait::Never);
    let count = usize::try_from(found).unwrap_or(0).min(machine::FOUND);
    // SAFETY: the answer stands in the slot's data, which have room for so many offsets.
    unsafe { core::slice::from_raw_parts((slot.address() + to) as *const u32, count) }.to_vec()
}

/// Patches the evident `cpuid` sites between two addresses.
fn detour(space: &mut AddressSpace, regions: &mut Vec<TrampolineRegion>, start: u64, end: u64) {
    let Some(text) = view(space, start, end) else {
        return;
    };
    let sites = patch::sites(text, &[]).into_iter();
    let sites = sites.filter(|site| site.kind == Kind::Cpuid && site.is_evident());
    for site in sites.filter(|site| site.span.is_ok()) {
        apply(space, regions, &site, text, start);
    }
}

/// A `syscall` instruction trapped; the address after it is `back`. Patches it for the next time.
/// Returns where the program goes on now: the bytes at `back` may be part of the patch.
pub fn trapped(back: u64) -> u64 {
    let at = back.wrapping_sub(2);
    if REFUSED.lock().contains(&at) {
        return back;
    }
    if try_patch(at) {
        // Threads that stand inside the patch go on in the trampoline.
        scheduler::each_frame(|frame| frame.rip = relocated(frame.rip));
        return relocated(back);
    }
    let mut refused = REFUSED.lock();
    // More than any program has; from then on all are tried again at each trap.
    if refused.len() < 4096 {
        refused.push(at);
    }
    back
}

fn try_patch(at: u64) -> bool {
    let mut space = SPACE.lock();
    let Some(area) = space.areas.find(at).copied() else {
        return false;
    };
    let executable = area.protection & PROT_EXEC != 0 && area.protection & 2 == 0;
    if !executable || area.backing == Backing::Kernel {
        return false;
    }
    let start = at.saturating_sub(2 * WINDOW).max(area.start);
    let end = (at + 2 * WINDOW).min(area.end);
    let Some(text) = view(&mut space, start, end) else {
        return false;
    };
    let offset = (at - start) as usize;
    let window = offset.saturating_sub(WINDOW as usize)..offset + WINDOW as usize;
    let mut regions = REGIONS.lock();
    // The program jumped straight to the bytes that a patch left standing.
    if regions.iter().any(|region| region.is_patched(at)) {
        return false;
    }
    let floor = regions
        .iter()
        .flat_map(TrampolineRegion::spans)
        .map(|(span, bytes)| span + bytes as u64)
        .filter(|end| *end <= at && *end > start)
        .max()
        .map_or(0, |end| (end - start) as usize);
    match patch::site_at(text, offset, window, &[], floor) {
        Some(site) if site.span.is_ok() => apply(&mut space, &mut regions, &site, text, start),
        _ => false,
    }
}

/// The program's own address for `rip`, which may be in a trampoline.
pub fn original(rip: u64) -> u64 {
    let regions = REGIONS.lock();
    regions
        .iter()
        .find_map(|region| region.original(rip))
        .unwrap_or(rip)
}

/// Where the program makes the system call again that would go on at `back`.
pub fn restart(back: u64) -> u64 {
    let at = original(back).wrapping_sub(2);
    relocated(at)
}

/// Where a program goes on that stands, or would go on, inside a patched span.
pub fn relocated(rip: u64) -> u64 {
    let regions = REGIONS.lock();
    regions
        .iter()
        .find_map(|region| region.relocated(rip))
        .unwrap_or(rip)
}

/// The program changes or unmaps its text at `start..end`.
pub fn forget(start: u64, end: u64) {
    for region in REGIONS.lock().iter_mut() {
        region.forget(start, end);
    }
    REFUSED.lock().retain(|at| *at < start || *at >= end);
}

/// The text as the kernel sees it: at its own address, with all its pages present.
fn view(space: &mut AddressSpace, start: u64, end: u64) -> Option<&'static [u8]> {
    let mut at = start;
    while at < end {
        at += space.translate(at, Access::Execute).ok()?.1;
    }
    // SAFETY: every page is present and readable, the space's lock keeps it so; the program cannot
    // write it meanwhile, as it is not running.
    Some(unsafe { core::slice::from_raw_parts(start as *const u8, (end - start) as usize) })
}

fn apply(
    space: &mut AddressSpace,
    regions: &mut Vec<TrampolineRegion>,
    site: &Site,
    text: &[u8],
    base: u64,
) -> bool {
    let planned = regions.iter_mut().enumerate().find_map(|(index, region)| {
        let patch = patch::plan(site, text, base, region).ok()?;
        Some((index, patch))
    });
    let planned = planned.or_else(|| {
        let mut region = make_region(space, base)?;
        let patch = patch::plan(site, text, base, &mut region).ok()?;
        regions.push(region);
        Some((regions.len() - 1, patch))
    });
    let Some((index, patch)) = planned else {
        return false;
    };
    let text_bytes = patch.bytes().len() as u64;
    let trampoline_bytes = patch.trampoline().len() as u64;
    let (Some(to_text), Some(to_trampoline)) = (
        alias(space, patch.at, text_bytes),
        alias(space, patch.trampoline_at, trampoline_bytes),
    ) else {
        regions[index].undo(&patch);
        return false;
    };
    vcpus::stop_others();
    // SAFETY: both views are of memory in one piece, through the linear mapping; no vCPU is in the
    // program.
    unsafe { patch::apply(&patch, to_trampoline, to_text) };
    boot::count(&boot::counters().sites);
    true
}

/// A writable view of `bytes` of the program's memory, if they are in one piece.
fn alias(space: &mut AddressSpace, address: u64, bytes: u64) -> Option<*mut u8> {
    let (physical, piece) = space.translate(address, Access::Execute).ok()?;
    if piece < bytes {
        let (next, _) = space.translate(address + piece, Access::Execute).ok()?;
        if next != physical + piece {
            return None;
        }
    }
    Some((PHYSICAL + physical) as *mut u8)
}

/// Maps a new region of trampolines near `text`.
fn make_region(space: &mut AddressSpace, text: u64) -> Option<TrampolineRegion> {
    let free = space.areas.find_free(REGION, PAGE, text);
    let near = |start: &u64| text.abs_diff(*start) < REACH && *start >= USER_START;
    let start = free.filter(near).or_else(|| {
        let limit = text.saturating_add(REACH);
        space.areas.find_free(REGION, PAGE, limit).filter(near)
    })?;
    let end = start + REGION;
    let protection = PROT_READ | PROT_EXEC;
    space.areas.insert(Area {
        start,
        end,
        protection,
        backing: Backing::Kernel,
        faults: 0,
    });
    // The first page now; the others when it is full.
    let pages = memory::allocate_pages((REGION / PAGE) as usize)?;
    space.map_physical(
        start,
        pages,
        (REGION / PAGE) as usize,
        protection,
        table::FOREIGN,
    )?;
    let slots = TrampolineRegion::slots(
        entry::patched_call as *const () as u64,
        entry::patched_cpuid as *const () as u64,
    );
    // SAFETY: the region's first page is ours.
    unsafe {
        core::ptr::copy_nonoverlapping(slots.as_ptr(), (PHYSICAL + pages) as *mut u8, slots.len());
    }
    Some(TrampolineRegion::new(start, REGION as u32))
}
