//! What /proc tells of the process, kept by the kernel where the monitor finds it at any time, whatever the
//! guest does just then (proc(5)).
//!
//! The monitor takes it as what a guest says of itself, and no more.

use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::layout::PAGE;

/// Words of the auxiliary vector.
pub const AUXILIARY: usize = 48;

/// At [`crate::layout::physical::PORTRAIT`]; zeros at first. Addresses of pages are the kernel's: those of
/// its linear mapping.
#[repr(C)]
pub struct Portrait {
    /// The first [`AreaPage`], and the first [`ThreadPage`].
    pub areas: AtomicU64,
    pub threads: AtomicU64,
    /// brk(2).
    pub break_start: AtomicU64,
    pub break_end: AtomicU64,
    /// The end of the first stack, and the first stack pointer.
    pub stack_end: AtomicU64,
    pub stack_start: AtomicU64,
    /// Where the arguments begin on the first stack, after which the environment follows; 0: not yet there.
    pub strings: AtomicU64,
    /// Where the program's text and its data are: start, end.
    pub text: [AtomicU64; 2],
    pub data: [AtomicU64; 2],
    /// Where the vDSO's pages are mapped, and where its image begins.
    pub vdso: [AtomicU64; 2],
    /// getauxval(3): type, value, until type 0.
    pub auxiliary: [AtomicU64; AUXILIARY],
    /// getrlimit(2): (soft, hard) by number.
    pub limits: [[AtomicU64; 2]; 16],
    /// prctl(2), PR_GET_DUMPABLE.
    pub dumpable: AtomicU64,
    /// Signals that are ignored, and that have a handler (bit N - 1 for signal N).
    pub ignored: AtomicU64,
    pub caught: AtomicU64,
}

const _: () = assert!(size_of::<Portrait>() as u64 <= PAGE);

/// A page of entries.
#[repr(C)]
pub struct Page<E, const N: usize> {
    /// The next page; 0: there is none.
    pub next: AtomicU64,
    pub entries: [E; N],
}

/// The bit of a page table's entry that is not present but has its page: its protection is PROT_NONE.
pub const KEPT: u64 = 1 << 9;

/// The bit of an entry over whose page the host maps a file.
pub const FILE: u64 = 1 << 11;

/// A mapping.
#[repr(C)]
#[derive(Default)]
pub struct AreaEntry {
    pub start: AtomicU64,
    /// 0: the entry is free.
    pub end: AtomicU64,
    /// PROT_READ, PROT_WRITE and PROT_EXEC, and the flags below.
    pub flags: AtomicU64,
}

/// MAP_SHARED.
pub const AREA_SHARED: u64 = 1 << 3;
/// A file, or memory that processes share.
pub const AREA_FILE: u64 = 1 << 4;
/// MAP_GROWSDOWN.
pub const AREA_STACK: u64 = 1 << 5;
/// The vDSO's pages, or the kernel's own.
pub const AREA_KERNEL: u64 = 1 << 6;

pub const AREAS: usize = 170;
pub type AreaPage = Page<AreaEntry, AREAS>;

/// A thread.
#[repr(C)]
#[derive(Default)]
pub struct ThreadEntry {
    /// gettid(2); 0: the entry is free.
    pub id: AtomicU32,
    pub _pad: AtomicU32,
    /// prctl(2), PR_SET_NAME.
    pub name: [AtomicU64; 2],
    /// Signals that it blocks.
    pub blocked: AtomicU64,
}

pub const THREADS: usize = 127;
pub type ThreadPage = Page<ThreadEntry, THREADS>;

const _: () =
    assert!(size_of::<AreaPage>() as u64 <= PAGE && size_of::<ThreadPage>() as u64 <= PAGE);
