//! The first page tables and registers: the vCPU starts in long mode at ring 3, with no firmware.

use std::arch::x86_64::__cpuid;

use pinion_abi::layout::{
    per_cpu, physical, selector, ImageHeader, GRANULE, KERNEL, PAGE, PER_CPU, PHYSICAL,
};

use crate::kvm::abi::*;
use crate::kvm::{Kvm, KvmError, Vcpu};

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED_DIRTY: u64 = 3 << 5;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const LEAF: u64 = PRESENT | WRITE | USER | ACCESSED_DIRTY;

/// Those of the kernel: no I/O privilege, interrupts on.
pub const FLAGS: u64 = 0x202;
const GIB: u64 = 1 << 30;

/// Tables in their order at [`physical::TABLES`].
#[derive(Clone, Copy)]
enum Table {
    Top,
    /// Top-level entry 255: the kernel and the linear mapping.
    Kernel,
    KernelImage,
    /// The first GiB of the linear mapping; the kernel adds others.
    Linear,
    /// Top-level entry 254 and below: the vCPU's own.
    PerCpu,
    PerCpuDirectory,
    PerCpuPages,
}

impl Table {
    fn address(self) -> u64 {
        physical::TABLES + self as u64 * PAGE
    }
}

const _: () = assert!(Table::PerCpuPages as u64 + 1 < physical::TABLES_BOOT + 1);

fn index(address: u64, level: u32) -> u64 {
    address >> (12 + 9 * level) & 511
}

/// The tables' entries, as (physical address, entry).
pub fn entries(memory_bytes: u64) -> Vec<(u64, u64)> {
    let mut entries = Vec::with_capacity(64);
    let mut set = |table: Table, index: u64, value: u64| {
        entries.push((table.address() + index * 8, value));
    };
    let link = |table: Table| table.address() | PRESENT | WRITE | USER | 1 << 5;
    set(Table::Top, index(KERNEL, 3), link(Table::Kernel));
    set(Table::Top, index(PER_CPU, 3), link(Table::PerCpu));
    set(Table::Kernel, index(KERNEL, 2), link(Table::KernelImage));
    set(Table::Kernel, index(PHYSICAL, 2), link(Table::Linear));
    set(
        Table::KernelImage,
        index(KERNEL, 1),
        physical::KERNEL_IMAGE | LEAF | LARGE,
    );
    let mut at = 0;
    while at < memory_bytes.min(GIB) {
        set(
            Table::Linear,
            index(PHYSICAL + at, 1),
            at | LEAF | LARGE | NO_EXECUTE,
        );
        at += GRANULE;
    }
    set(
        Table::PerCpu,
        index(PER_CPU, 2),
        link(Table::PerCpuDirectory),
    );
    set(
        Table::PerCpuDirectory,
        index(PER_CPU, 1),
        link(Table::PerCpuPages),
    );
    for page in 0..physical::PER_CPU_BYTES / PAGE {
        let address = physical::PER_CPU + page * PAGE;
        set(Table::PerCpuPages, page, address | LEAF | NO_EXECUTE);
    }
    entries
}

/// What the guest's processor is.
pub struct Processor {
    cpuid: Box<kvm_cpuid2>,
    has_xsave: bool,
    emulated: bool,
}

impl Processor {
    /// What [`Processor::again`] makes it of.
    pub fn entries(&self) -> (Vec<[u32; 7]>, bool, bool) {
        let entries = self.cpuid.entries.iter().take(self.cpuid.nent as usize);
        let entries = entries.map(|entry| {
            let kvm_cpuid_entry2 {
                function,
                index,
                flags,
                eax,
                ebx,
                ecx,
                edx,
                ..
            } = *entry;
            [function, index, flags, eax, ebx, ecx, edx]
        });
        (entries.collect(), self.has_xsave, self.emulated)
    }

    /// The type of the task register's segment. Processors load a TSS marked busy, and as such KVM tells of
    /// it whatever it is; QEMU's emulator opens ports by one only if it is not (check_io in its
    /// target/i386/tcg).
    pub fn task_type(&self) -> u8 {
        if self.emulated {
            9
        } else {
            11
        }
    }

    pub fn again(entries: &[[u32; 7]], has_xsave: bool, emulated: bool) -> Option<Processor> {
        let mut all = [kvm_cpuid_entry2::default(); CPUID_ENTRIES];
        for (to, from) in all.get_mut(..entries.len())?.iter_mut().zip(entries) {
            let [function, index, flags, eax, ebx, ecx, edx] = *from;
            *to = kvm_cpuid_entry2 {
                function,
                index,
                flags,
                eax,
                ebx,
                ecx,
                edx,
                ..kvm_cpuid_entry2::default()
            };
        }
        Some(Processor {
            cpuid: Box::new(kvm_cpuid2 {
                nent: entries.len() as u32,
                padding: 0,
                entries: all,
            }),
            has_xsave,
            emulated,
        })
    }
}

/// All that the host's has, but for virtual machines.
pub fn processor(kvm: &Kvm) -> Result<Processor, KvmError> {
    let mut cpuid = kvm.supported_cpuid()?;
    let mut has_xsave = false;
    for entry in &mut cpuid.entries[..] {
        match (entry.function, entry.index) {
            // kvm_pvm does not list XSAVE and FSGSBASE, which work all the same once CR4 has them.
            (1, _) => {
                has_xsave = entry.ecx & 1 << 26 != 0;
                entry.ecx |= 1 << 26;
                // Whoever takes ring 0 is to find no VMX, and below no SVM: that part of KVM is
                // closed to guests.
                entry.ecx &= !(1 << 5);
            }
            (7, 0) => entry.ebx |= 1,
            (0x8000_0001, _) => entry.ecx &= !(1 << 2),
            _ => {}
        }
    }
    Ok(Processor {
        cpuid,
        has_xsave,
        emulated: is_emulated(),
    })
}

/// Sets a vCPU up to start the kernel, or to start in it if it is not the first one. Returns whether its
/// time-stamp counter is the host's.
pub fn start(
    processor: &Processor,
    vcpu: &Vcpu,
    header: &ImageHeader,
    index: usize,
) -> Result<bool, KvmError> {
    vcpu.set_cpuid(&processor.cpuid)?;
    let segment = |selector: u16, kind: u8, long: u8| kvm_segment {
        limit: u32::MAX,
        selector,
        type_: kind,
        present: 1,
        dpl: 3,
        db: 1 - long,
        s: 1,
        l: long,
        g: 1,
        ..kvm_segment::default()
    };
    let mut sregs = vcpu.sregs()?;
    sregs.cs = segment(selector::USER_CODE, 11, 1);
    sregs.ss = segment(selector::USER_DATA, 3, 0);
    // None, as in a new program of Linux.
    let none = kvm_segment {
        unusable: 1,
        ..kvm_segment::default()
    };
    (sregs.ds, sregs.es, sregs.fs, sregs.gs) = (none, none, none, none);
    sregs.tr = kvm_segment {
        base: PER_CPU + per_cpu::TSS,
        limit: per_cpu::TSS_BYTES as u32 - 1,
        selector: selector::TASK,
        type_: processor.task_type(),
        present: 1,
        ..kvm_segment::default()
    };
    let table = |offset: u64, bytes: u64| kvm_dtable {
        base: PER_CPU + offset,
        limit: bytes as u16 - 1,
        padding: [0; 3],
    };
    sregs.gdt = table(per_cpu::GDT, per_cpu::GDT_BYTES);
    sregs.idt = table(per_cpu::IDT, per_cpu::IDT_BYTES);
    // PG, WP, NE, ET, MP, PE.
    sregs.cr0 = 0x8001_0033;
    sregs.cr3 = physical::root(index);
    // PAE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE.
    sregs.cr4 = 1 << 5 | 1 << 9 | 1 << 10 | 1 << 16 | 1 << 18;
    // SCE, LME, LMA, NXE.
    sregs.efer = 0xd01;
    vcpu.set_sregs(&sregs)?;
    let star = 0x23 << 48 | u64::from(selector::KERNEL_CODE) << 32;
    let msr = |index, data| kvm_msr_entry {
        index,
        reserved: 0,
        data,
    };
    vcpu.set_msrs([
        msr(MSR_STAR, star),
        msr(MSR_LSTAR, header.syscall),
        msr(MSR_SYSCALL_MASK, 0),
    ])?;
    if processor.has_xsave {
        vcpu.set_xcr0(guest_xcr0(&processor.cpuid))?;
    }
    let shared = vcpu.share_tsc()?;
    vcpu.set_regs(&kvm_regs {
        rip: if index == 0 {
            header.entry
        } else {
            header.other_entry
        },
        // As after a call.
        rsp: PER_CPU + per_cpu::END - 8,
        rflags: FLAGS,
        ..kvm_regs::default()
    })?;
    Ok(shared)
}

/// Whether the host runs in QEMU's own emulator.
fn is_emulated() -> bool {
    let hypervisor = __cpuid(0x4000_0000);
    [hypervisor.ebx, hypervisor.ecx, hypervisor.edx] == ["TCGT", "CGTC", "GTCG"].map(number)
}

/// Four letters as cpuid has them in a register.
fn number(letters: &str) -> u32 {
    letters
        .bytes()
        .rev()
        .fold(0, |number, byte| number << 8 | u32::from(byte))
}

/// What the guest can enable: all that the machine has but AMX, whose tiles are lost at exits.
fn guest_xcr0(cpuid: &kvm_cpuid2) -> u64 {
    const AMX: u64 = 3 << 17;
    let leaf = cpuid
        .entries
        .iter()
        .find(|entry| entry.function == 0xd && entry.index == 0);
    let supported = leaf.map_or(3, |leaf| u64::from(leaf.eax) | u64::from(leaf.edx) << 32);
    supported & !AMX
}
