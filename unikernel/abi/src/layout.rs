//! Where things are in the guest's address space and in its physical memory.
//!
//! Only the lower half of the address space is used (kvm_pvm keeps the upper half). User programs
//! have all of it below [`USER_END`]; the kernel has the two top-level entries above.

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Bytes of a large page, and the unit in which guest-physical memory is given out.
pub const GRANULE: u64 = 2 << 20;

/// The first address that a user mapping may have (Linux's default `vm.mmap_min_addr`).
pub const USER_START: u64 = 0x1_0000;
/// The end of the addresses of user programs: top-level entries 0 to 253.
pub const USER_END: u64 = 0x7f00_0000_0000;

/// The last 2 MiB of top-level entry 254, which each vCPU fills with a table of its own: the
/// vCPU's private pages stand at the same address on each of them.
pub const PER_CPU: u64 = KERNEL - GRANULE;
/// The kernel image: top-level entry 255, shared by all vCPUs. It reaches [`PER_CPU`] by
/// rip-relative addressing.
pub const KERNEL: u64 = 0x7f80_0000_0000;
/// All guest-physical memory, mapped linearly in large pages from here on.
pub const PHYSICAL: u64 = 0x7fc0_0000_0000;

/// Guest-physical addresses that the monitor fills before the first instruction. Everything below
/// [`BOOT_END`] is anonymous memory for ever: no file is mapped over it.
pub mod physical {
    use super::{GRANULE, PAGE};

    /// The top-level table, then the other tables that the monitor makes.
    pub const TABLES: u64 = 0;
    /// Pages for tables that the monitor may use.
    pub const TABLES_PAGES: u64 = 16;
    /// [`crate::boot::BootInfo`].
    pub const BOOT_INFO: u64 = TABLES + TABLES_PAGES * PAGE;
    /// The program's strings: see [`crate::boot::BootInfo::strings`].
    pub const STRINGS: u64 = BOOT_INFO + 4 * PAGE;
    /// Bytes for strings: what Linux allows for arguments and environment on an 8 MiB stack is
    /// 2 MiB, but this must fit the first granule.
    pub const STRINGS_BYTES: u64 = 512 << 10;
    /// The per-vCPU area of vCPU 0: see [`crate::boot::PerCpuPages`].
    pub const PER_CPU: u64 = STRINGS + STRINGS_BYTES;
    pub const PER_CPU_BYTES: u64 = 64 << 10;
    /// The channel of vCPU 0: see [`crate::channel`].
    pub const CHANNEL: u64 = PER_CPU + PER_CPU_BYTES;
    /// The rest of the first granule is the kernel's early heap.
    pub const EARLY_HEAP: u64 = CHANNEL + crate::channel::CHANNEL_BYTES;
    pub const EARLY_HEAP_END: u64 = GRANULE;
    /// The kernel image is loaded here, its lowest address at [`super::KERNEL`].
    pub const KERNEL_IMAGE: u64 = GRANULE;
    pub const KERNEL_IMAGE_BYTES: u64 = GRANULE;
    /// What follows is the kernel's to give out.
    pub const BOOT_END: u64 = KERNEL_IMAGE + KERNEL_IMAGE_BYTES;

    const _: () = assert!(EARLY_HEAP + (256 << 10) < EARLY_HEAP_END);
}

/// Where the host's [vvar] and [vdso] pages are in guest-physical memory: in a slot of their own,
/// read-only, above all memory that can be given out.
pub const VDSO_PHYSICAL: u64 = 1 << 45;
