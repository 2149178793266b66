//! Structures and numbers of <linux/kvm.h> and <asm/kvm.h>, under their names there.
#![allow(non_camel_case_types)]

pub const KVM_API_VERSION: i32 = 12;

pub const KVM_GET_API_VERSION: u64 = 0xae00;
pub const KVM_CREATE_VM: u64 = 0xae01;
pub const KVM_CHECK_EXTENSION: u64 = 0xae03;
pub const KVM_GET_VCPU_MMAP_SIZE: u64 = 0xae04;
pub const KVM_GET_SUPPORTED_CPUID: u64 = 0xc008_ae05;
pub const KVM_CREATE_VCPU: u64 = 0xae41;
pub const KVM_SET_NR_MMU_PAGES: u64 = 0xae44;
pub const KVM_SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;
pub const KVM_SET_TSS_ADDR: u64 = 0xae47;
pub const KVM_RUN: u64 = 0xae80;
pub const KVM_GET_REGS: u64 = 0x8090_ae81;
pub const KVM_SET_REGS: u64 = 0x4090_ae82;
pub const KVM_GET_SREGS: u64 = 0x8138_ae83;
pub const KVM_SET_SREGS: u64 = 0x4138_ae84;
pub const KVM_GET_MSRS: u64 = 0xc008_ae88;
pub const KVM_SET_MSRS: u64 = 0x4008_ae89;
pub const KVM_SET_CPUID2: u64 = 0x4008_ae90;
pub const KVM_SET_XCRS: u64 = 0x4188_aea7;
pub const KVM_GET_TSC_KHZ: u64 = 0xaea3;
pub const KVM_SET_DEVICE_ATTR: u64 = 0x4018_aee1;

pub const KVM_GET_VCPU_EVENTS: u64 = 0x8040_ae9f;

pub const KVM_MEM_READONLY: u32 = 1 << 1;

pub const KVM_EXIT_IO: u32 = 2;
pub const KVM_EXIT_HLT: u32 = 5;
pub const KVM_EXIT_MMIO: u32 = 6;
pub const KVM_EXIT_SHUTDOWN: u32 = 8;
pub const KVM_EXIT_FAIL_ENTRY: u32 = 9;
pub const KVM_EXIT_INTR: u32 = 10;
pub const KVM_EXIT_INTERNAL_ERROR: u32 = 17;

pub const MSR_IA32_TSC: u32 = 0x10;
pub const MSR_STAR: u32 = 0xc000_0081;
pub const MSR_LSTAR: u32 = 0xc000_0082;
pub const MSR_SYSCALL_MASK: u32 = 0xc000_0084;

/// The group and attribute of KVM_SET_DEVICE_ATTR on a vCPU that hold its TSC offset.
pub const KVM_VCPU_TSC_CTRL: u32 = 0;
pub const KVM_VCPU_TSC_OFFSET: u64 = 0;

#[repr(C)]
#[derive(Default)]
pub struct kvm_userspace_memory_region {
    pub slot: u32,
    pub flags: u32,
    pub guest_phys_addr: u64,
    pub memory_size: u64,
    pub userspace_addr: u64,
}

#[repr(C)]
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub struct kvm_regs {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rsp: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u64,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
pub struct kvm_segment {
    pub base: u64,
    pub limit: u32,
    pub selector: u16,
    pub type_: u8,
    pub present: u8,
    pub dpl: u8,
    pub db: u8,
    pub s: u8,
    pub l: u8,
    pub g: u8,
    pub avl: u8,
    pub unusable: u8,
    pub padding: u8,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
pub struct kvm_dtable {
    pub base: u64,
    pub limit: u16,
    pub padding: [u16; 3],
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
pub struct kvm_sregs {
    pub cs: kvm_segment,
    pub ds: kvm_segment,
    pub es: kvm_segment,
    pub fs: kvm_segment,
    pub gs: kvm_segment,
    pub ss: kvm_segment,
    pub tr: kvm_segment,
    pub ldt: kvm_segment,
    pub gdt: kvm_dtable,
    pub idt: kvm_dtable,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub cr8: u64,
    pub efer: u64,
    pub apic_base: u64,
    pub interrupt_bitmap: [u64; 4],
}

const _: () = assert!(size_of::<kvm_regs>() == 0x90);
const _: () = assert!(size_of::<kvm_sregs>() == 0x138);

#[repr(C)]
#[derive(Default, Clone, Copy)]
pub struct kvm_msr_entry {
    pub index: u32,
    pub reserved: u32,
    pub data: u64,
}

#[repr(C)]
pub struct kvm_msrs<const N: usize> {
    pub nmsrs: u32,
    pub pad: u32,
    pub entries: [kvm_msr_entry; N],
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
pub struct kvm_cpuid_entry2 {
    pub function: u32,
    pub index: u32,
    pub flags: u32,
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
    pub padding: [u32; 3],
}

/// As many entries as any machine here has needed, and some.
pub const CPUID_ENTRIES: usize = 256;

#[repr(C)]
pub struct kvm_cpuid2 {
    pub nent: u32,
    pub padding: u32,
    pub entries: [kvm_cpuid_entry2; CPUID_ENTRIES],
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
pub struct kvm_xcr {
    pub xcr: u32,
    pub reserved: u32,
    pub value: u64,
}

#[repr(C)]
pub struct kvm_xcrs {
    pub nr_xcrs: u32,
    pub flags: u32,
    pub xcrs: [kvm_xcr; 16],
    pub padding: [u64; 16],
}

#[repr(C)]
pub struct kvm_device_attr {
    pub flags: u32,
    pub group: u32,
    pub attr: u64,
    pub addr: u64,
}

/// As far as it is used here.
#[repr(C)]
#[derive(Default)]
pub struct kvm_vcpu_events {
    pub exception_injected: u8,
    pub exception_nr: u8,
    pub exception_has_error_code: u8,
    pub exception_pending: u8,
    pub rest: [u32; 15],
}

const _: () = assert!(size_of::<kvm_vcpu_events>() == 64);

/// The shared page of a vCPU, as far as it is used here.
#[repr(C)]
pub struct kvm_run {
    pub request_interrupt_window: u8,
    pub immediate_exit: u8,
    pub padding1: [u8; 6],
    pub exit_reason: u32,
    pub ready_for_interrupt_injection: u8,
    pub if_flag: u8,
    pub flags: u16,
    pub cr8: u64,
    pub apic_base: u64,
    pub io: kvm_run_io,
}

/// The union's member for KVM_EXIT_IO.
#[repr(C)]
pub struct kvm_run_io {
    pub direction: u8,
    pub size: u8,
    pub port: u16,
    pub count: u32,
    pub data_offset: u64,
}

const _: () = assert!(std::mem::offset_of!(kvm_run, io) == 32);
