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

/// The most vCPUs that a microVM has.
pub const MAX_VCPUS: usize = 8;

/// The last 2 MiB of top-level entry 254, which each vCPU fills with a table of its own: the
/// vCPU's private pages stand at the same address on each of them.
pub const PER_CPU: u64 = KERNEL - GRANULE;
/// The kernel image: top-level entry 255, shared by all vCPUs. It reaches [`PER_CPU`] by
/// rip-relative addressing.
pub const KERNEL: u64 = 0x7f80_0000_0000;
/// The host's vvar and vdso pages as the kernel calls them, whatever the program does to its own
/// mapping of them: an address here tells the kernel's execution from the program's.
pub const VDSO: u64 = KERNEL + (1 << 37);
/// All guest-physical memory, mapped linearly in large pages from here on.
pub const PHYSICAL: u64 = 0x7fc0_0000_0000;

/// Guest-physical addresses that the monitor fills before the first instruction. Everything below
/// [`physical::BOOT_END`] is anonymous memory for ever: no file is mapped over it.
pub mod physical {
    use super::{GRANULE, PAGE};

    /// The top-level table, then the other tables that the monitor makes.
    pub const TABLES: u64 = 0;
    /// Pages for tables: the first [`TABLES_BOOT`] are the monitor's, the others the kernel's, one
    /// for each GiB of the linear mapping.
    pub const TABLES_PAGES: u64 = 264;
    pub const TABLES_BOOT: u64 = 8;
    /// [`crate::boot::BootInfo`].
    pub const BOOT_INFO: u64 = TABLES + TABLES_PAGES * PAGE;
    /// [`crate::portrait::Portrait`].
    pub const PORTRAIT: u64 = BOOT_INFO + 3 * PAGE;
    /// The per-vCPU area of vCPU 0: see [`super::per_cpu`].
    pub const PER_CPU: u64 = PORTRAIT + PAGE;
    pub const PER_CPU_BYTES: u64 = 64 << 10;
    /// The process's filters: see [`crate::boot::BootInfo::filter_words`].
    pub const FILTERS: u64 = PER_CPU + PER_CPU_BYTES;
    pub const FILTERS_BYTES: u64 = 512 << 10;
    /// [`crate::missing::Missing`]: of a container's microVMs all have the same page.
    pub const MISSING: u64 = GRANULE - PAGE;
    /// The kernel image is loaded here, its lowest address at [`super::KERNEL`].
    pub const KERNEL_IMAGE: u64 = GRANULE;
    pub const KERNEL_IMAGE_BYTES: u64 = GRANULE;
    /// See [`crate::channel`].
    pub const CHANNEL: u64 = KERNEL_IMAGE + KERNEL_IMAGE_BYTES;
    /// The areas of the other vCPUs, each followed by the tables of that vCPU: see [`area`].
    const OTHER_VCPUS: u64 = CHANNEL + crate::channel::CHANNEL_BYTES;
    const OTHER_VCPU_BYTES: u64 = PER_CPU_BYTES + OTHER_TABLES * PAGE;
    /// Tables of a vCPU other than the first: the top-level one, and three down to its own pages.
    pub const OTHER_TABLES: u64 = 4;
    /// The program's strings: see [`crate::boot::BootInfo::strings`].
    pub const STRINGS: u64 = CHANNEL + crate::channel::CHANNEL_BYTES.next_multiple_of(GRANULE);
    /// Bytes for strings: the most that Linux allows for arguments and environment (execve(2)).
    pub const STRINGS_BYTES: u64 = 6 << 20;
    /// The longest string, with its final zero byte (MAX_ARG_STRLEN in linux/binfmts.h).
    pub const STRING_BYTES: u64 = 32 * PAGE;
    /// What follows is the kernel's to give out.
    pub const BOOT_END: u64 = STRINGS + STRINGS_BYTES;

    const _: () = assert!(FILTERS + FILTERS_BYTES <= MISSING);
    const _: () =
        assert!(OTHER_VCPUS + (super::MAX_VCPUS as u64 - 1) * OTHER_VCPU_BYTES <= STRINGS);

    /// Where a vCPU's private pages are.
    pub const fn area(vcpu: usize) -> u64 {
        match vcpu {
            0 => PER_CPU,
            other => OTHER_VCPUS + (other as u64 - 1) * OTHER_VCPU_BYTES,
        }
    }

    /// Where a vCPU's top-level table is.
    pub const fn root(vcpu: usize) -> u64 {
        match vcpu {
            0 => TABLES,
            other => area(other) + PER_CPU_BYTES,
        }
    }
}

/// Where the host's vvar and vdso pages are in guest-physical memory: in a slot of their own,
/// read-only, above all memory that can be given out.
pub const VDSO_PHYSICAL: u64 = 1 << 38;

/// The pages of a vCPU's private area, as offsets from [`PER_CPU`]; the kernel fills them.
pub mod per_cpu {
    use super::PAGE;

    /// The kernel's own variables of the vCPU.
    pub const VARIABLES: u64 = 0;
    pub const GDT: u64 = PAGE;
    pub const GDT_BYTES: u64 = 0x80;
    pub const IDT: u64 = 2 * PAGE;
    pub const IDT_BYTES: u64 = PAGE;
    /// The task state segment with an I/O bitmap of all ports (Intel SDM 3A, 8.7 and 19.5.2).
    pub const TSS: u64 = 3 * PAGE;
    pub const TSS_BYTES: u64 = 104 + 8192 + 1;
    /// The stack of exceptions: its top is the end of this page.
    pub const EXCEPTION_STACK: u64 = 6 * PAGE;
    /// The stack of the stub that a `syscall` instruction reaches.
    pub const STUB_STACK: u64 = 7 * PAGE;
    /// The stack on which faults are handled, and on which the kernel starts: up to the end.
    pub const FAULT_STACK: u64 = 8 * PAGE;
    pub const END: u64 = super::physical::PER_CPU_BYTES;
}

/// Segment selectors: the ones with which kvm_pvm runs natively, so stock KVM gets them too.
pub mod selector {
    pub const KERNEL_CODE: u16 = 0x10;
    pub const KERNEL_DATA: u16 = 0x18;
    pub const USER_DATA: u16 = 0x2b;
    pub const USER_CODE: u16 = 0x33;
    pub const TASK: u16 = 0x40;
    /// Its limit is the number of the CPU: the host's vDSO asks for it with `lsl` where there is no
    /// `rdpid` (Linux's GDT_ENTRY_CPUNODE).
    pub const CPU_NODE: u16 = 0x7b;
}

/// Vectors of exceptions that the monitor makes the kernel see.
pub mod vector {
    /// The program executed an instruction that it may not (Intel SDM 3A, 6.15).
    pub const GENERAL_PROTECTION: u64 = 13;
    /// No processor's: the monitor wants the kernel to look for another thread to run.
    pub const PREEMPT: u64 = 32;
}

/// The first bytes of the kernel image.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ImageHeader {
    /// [`IMAGE_MAGIC`].
    pub magic: u64,
    /// [`FINGERPRINT`].
    pub fingerprint: u64,
    /// The first instruction: rdi holds the address of [`crate::boot::BootInfo`].
    pub entry: u64,
    /// The first instruction of the other vCPUs.
    pub other_entry: u64,
    /// Where a `syscall` instruction goes (MSR_LSTAR).
    pub syscall: u64,
    /// Where the monitor sends a vCPU whose program did what it may not: an exception's frame
    /// stands below the end of [`per_cpu::EXCEPTION_STACK`], with its vector.
    pub exception: u64,
    /// The addresses of the kernel's own `out` instructions: [start, end).
    pub out_start: u64,
    pub out_end: u64,
}

pub const IMAGE_MAGIC: u64 = 0x4c45_4e52_454b_4e50;

/// Tells builds of this crate apart: both sides must have the same.
pub const FINGERPRINT: u64 = parse(env!("PINION_ABI_FINGERPRINT"));

const fn parse(digits: &str) -> u64 {
    let bytes = digits.as_bytes();
    let mut value = 0u64;
    let mut at = 0;
    while at < bytes.len() {
        value = value * 10 + (bytes[at] - b'0') as u64;
        at += 1;
    }
    value
}
