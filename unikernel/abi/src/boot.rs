//! What the monitor tells the kernel before its first instruction.

use core::sync::atomic::AtomicU64;

use crate::layout::MAX_VCPUS;

/// At [`crate::layout::physical::BOOT_INFO`], and its address is in rdi at the entry.
#[repr(C)]
pub struct BootInfo {
    /// [`MAGIC`].
    pub magic: u64,
    /// Guest-physical bytes that have memory now, from 0; it grows by
    /// [`crate::calls::machine::GROW`].
    pub memory_bytes: u64,
    /// What it may grow to.
    pub memory_limit: u64,
    /// Bytes of the kernel image, its zeroed data included.
    pub kernel_bytes: u64,
    /// Ticks of the time-stamp counter in a second.
    pub tsc_hz: u64,
    /// Bytes of the host's vvar and vdso pages at [`crate::layout::VDSO_PHYSICAL`]; 0: none.
    pub vdso_bytes: u64,
    /// Where the vDSO's ELF image begins in them.
    pub vdso_image: u64,
    /// The extended control register 0 (XCR0) that the guest runs with.
    pub xcr0: u64,
    /// Whether the machine is paravirtual (kvm_pvm): stubs then run at ring 3.
    pub paravirtual: u32,
    /// Whether to print a boot line (0 or 1).
    pub verbose: u32,
    /// How many vCPUs may be started, the first included.
    pub vcpus: u32,
    /// How many threads the kernel asks for at once by [`crate::calls::machine::TASKS`]; 0: it need not
    /// ask.
    pub task_unit: u32,
    /// The host's number of the CPU that each vCPU stands for.
    pub cpus: [u32; MAX_VCPUS],
    pub process: ProcessInfo,
    /// Strings at [`crate::layout::physical::STRINGS`], each ended by a zero byte: the program's
    /// path, then `argc` arguments, then `envc` of the environment.
    pub strings: StringsInfo,
    /// As many words at [`crate::layout::physical::FILTERS`] are [`crate::seccomp::Filters`].
    pub filter_words: u64,
    /// Answers of `cpuid`, `cpuid_count` of them: the monitor may know some, the kernel adds others
    /// when they are first asked for.
    pub cpuid_count: u64,
    pub cpuid: [CpuidLeaf; CPUID_LEAVES],
    /// Written by the kernel: a message for [`crate::ports::PANIC`].
    pub panic_bytes: u64,
    pub panic: [u8; 256],
    /// Written by the kernel: how often what was asked for (see [`Counters`]).
    pub counters: Counters,
}

pub const MAGIC: u64 = 0x314e_4f49_4e49_5000;
pub const CPUID_LEAVES: usize = 96;

/// The process as Linux would describe it in the auxiliary vector and in getpid(2) and its kin.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessInfo {
    pub pid: u32,
    pub ppid: u32,
    pub uid: u32,
    pub euid: u32,
    pub gid: u32,
    pub egid: u32,
    pub secure: u32,
    /// Whether others of the same user may look into it (prctl(2), PR_GET_DUMPABLE).
    pub dumpable: u32,
    /// Bytes of the program's file.
    pub executable_bytes: u64,
    /// 16 bytes for AT_RANDOM, and 16 that seed the placement of mappings.
    pub random: [u8; 32],
    /// AT_HWCAP and AT_HWCAP2 as the host has them.
    pub hwcap: u64,
    pub hwcap2: u64,
    /// (soft, hard) by RLIMIT_* number (asm-generic/resource.h), 16 of them.
    pub rlimits: [[u64; 2]; 16],
    pub inherited: Inherited,
}

/// What the kernel keeps of a process that execve(2) does not reset.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inherited {
    /// Signals that the thread blocks, and that the process ignores (bit N - 1 for signal N).
    pub blocked: u64,
    pub ignored: u64,
    /// prctl(2), PR_SET_TIMERSLACK, in nanoseconds; 0: the default.
    pub timer_slack: u64,
    /// personality(2).
    pub personality: u64,
}

/// What [`crate::calls::machine::EXEC`] is told; `signals` of [`PendingSignal`] follow, then the
/// thread's filters that the monitor does not know, in `filter_words` words, then the path, the arguments and the environment as in [`BootInfo::strings`].
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecInfo {
    /// Of execveat(2).
    pub directory: i32,
    pub flags: u32,
    pub argc: u32,
    pub envc: u32,
    pub signals: u32,
    pub filter_words: u32,
    pub inherited: Inherited,
    pub rlimits: [[u64; 2]; 16],
}

/// A signal that waits to be taken: the beginning of its siginfo_t.
pub type PendingSignal = [u32; crate::channel::INFO_WORDS];

#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct StringsInfo {
    pub bytes: u64,
    pub argc: u32,
    pub envc: u32,
}

/// One answer of the `cpuid` instruction.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuidLeaf {
    pub leaf: u32,
    pub subleaf: u32,
    /// 1 if the answer depends on ecx.
    pub indexed: u32,
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
    pub _pad: u32,
}

/// Counts that the kernel keeps for the monitor to print; only the kernel writes them.
#[repr(C)]
pub struct Counters {
    /// The time-stamp counter at the kernel's first instruction, and at the program's first system
    /// call; 0: not yet.
    pub started_at: AtomicU64,
    pub first_call_at: AtomicU64,
    /// System calls that arrived by a patched site.
    pub patched_calls: AtomicU64,
    /// System calls that arrived by the `syscall` instruction.
    pub trapped_calls: AtomicU64,
    /// `cpuid` instructions answered without leaving the guest.
    pub cpuid_calls: AtomicU64,
    /// Sites patched.
    pub sites: AtomicU64,
    pub page_faults: AtomicU64,
    pub tlb_flushes: AtomicU64,
    /// Requests through the channel.
    pub requests: AtomicU64,
}

const _: () = assert!(size_of::<BootInfo>() <= 3 * 4096);
