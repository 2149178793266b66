//! The `cpuid` instruction, which leaves the guest (5 to 30 us): sites are detoured to here, and
//! answers are kept.

use core::arch::x86_64::__cpuid_count;

use pinion_abi::boot::{BootInfo, CpuidLeaf, CPUID_LEAVES};
use pinion_abi::layout::{physical, PHYSICAL};

use crate::arch::Frame;
use crate::boot;
use crate::vcpus;

/// Leaves whose answer depends on ecx (Intel SDM 2A, CPUID).
fn is_indexed(leaf: u32) -> bool {
    matches!(
        leaf,
        0x4 | 0x7
            | 0xb
            | 0xd
            | 0xf
            | 0x10
            | 0x12
            | 0x14
            | 0x17
            | 0x18
            | 0x1d
            | 0x1e
            | 0x1f
            | 0x8000_001d
    )
}

/// Called by the entry code for a detoured `cpuid`.
pub extern "C" fn answer(frame: &mut Frame) {
    vcpus::enter();
    boot::count(&boot::counters().cpuid_calls);
    let (leaf, subleaf) = (frame.rax as u32, frame.rcx as u32);
    let found = find(leaf, subleaf);
    frame.rax = u64::from(found.eax);
    frame.rbx = u64::from(found.ebx);
    frame.rcx = u64::from(found.ecx);
    frame.rdx = u64::from(found.edx);
    vcpus::leave();
}

fn find(leaf: u32, subleaf: u32) -> CpuidLeaf {
    let info = (PHYSICAL + physical::BOOT_INFO) as *mut BootInfo;
    // SAFETY: answers are added at the end only, by one vCPU at a time: this one has
    // the kernel's lock.
    let (count, known) = unsafe { (&mut (*info).cpuid_count, &mut (*info).cpuid) };
    let kept = (*count as usize).min(CPUID_LEAVES);
    let matches =
        |entry: &&CpuidLeaf| entry.leaf == leaf && (entry.indexed == 0 || entry.subleaf == subleaf);
    if let Some(entry) = known[..kept].iter().find(matches) {
        return *entry;
    }
    let answer = __cpuid_count(leaf, subleaf);
    let mut entry = CpuidLeaf {
        leaf,
        subleaf,
        indexed: u32::from(is_indexed(leaf)),
        eax: answer.eax,
        ebx: answer.ebx,
        ecx: answer.ecx,
        edx: answer.edx,
        _pad: 0,
    };
    hide(&mut entry);
    if kept < CPUID_LEAVES {
        known[kept] = entry;
        *count = kept as u64 + 1;
    }
    entry
}

/// Takes out what the guest cannot have: AMX, whose tiles are lost at exits.
fn hide(entry: &mut CpuidLeaf) {
    const AMX_EDX: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    const AMX_STATE: u32 = 1 << 17 | 1 << 18;
    match (entry.leaf, entry.subleaf) {
        (0x7, 0) => entry.edx &= !AMX_EDX,
        (0x7, 1) => entry.eax &= !(1 << 21),
        (0xd, 0) => entry.eax &= !AMX_STATE,
        (0x1d | 0x1e, _) | (0xd, 17 | 18) => {
            (entry.eax, entry.ebx, entry.ecx, entry.edx) = (0, 0, 0, 0);
        }
        _ => {}
    }
}
