//! The KVM ioctls that a monitor of ring-3 guests needs (linux/Documentation/virt/kvm/api.rst).

pub mod abi;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{null_mut, NonNull};

use abi::*;

#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    #[error("{call}: {source}")]
    Call {
        call: &'static str,
        source: io::Error,
    },
    #[error("/dev/kvm has API version {0}, expected 12")]
    Version(i32),
}

type Result<T> = std::result::Result<T, KvmError>;

fn error(call: &'static str) -> KvmError {
    KvmError::Call {
        call,
        source: io::Error::last_os_error(),
    }
}

/// A request that a signal interrupts is made anew, but for KVM_RUN, which is to end then.
///
/// # Safety
/// `argument` is what the request takes: a number, or the address of its structure.
unsafe fn ioctl(fd: &OwnedFd, name: &'static str, request: u64, argument: u64) -> Result<i32> {
    loop {
        // SAFETY: the caller vouches for the argument.
        match unsafe { libc::ioctl(fd.as_raw_fd(), request, argument) } {
            -1 => {
                let source = io::Error::last_os_error();
                let interrupted = source.kind() == io::ErrorKind::Interrupted;
                if !interrupted || request == KVM_RUN {
                    return Err(KvmError::Call { call: name, source });
                }
            }
            value => return Ok(value),
        }
    }
}

/// A name's ioctl: `call!(fd, KVM_X, argument)`.
macro_rules! call {
    ($fd:expr, $request:ident, $argument:expr) => {
        ioctl($fd, stringify!($request), $request, $argument as u64)
    };
}

/// Where new descriptors go: above all that the guest can name.
pub type Keep = fn(OwnedFd) -> io::Result<OwnedFd>;

/// /dev/kvm.
pub struct Kvm {
    fd: OwnedFd,
    keep: Keep,
    run_bytes: usize,
}

impl Kvm {
    pub fn new(fd: OwnedFd, keep: Keep) -> Result<Kvm> {
        // SAFETY: both requests take no argument.
        let (version, run_bytes) = unsafe {
            (
                call!(&fd, KVM_GET_API_VERSION, 0)?,
                call!(&fd, KVM_GET_VCPU_MMAP_SIZE, 0)?,
            )
        };
        if version != KVM_API_VERSION {
            return Err(KvmError::Version(version));
        }
        Ok(Kvm {
            fd,
            keep,
            run_bytes: run_bytes as usize,
        })
    }

    pub fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }

    fn own(&self, call: &'static str, fd: RawFd) -> Result<OwnedFd> {
        // SAFETY: the ioctl has just made the descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        (self.keep)(fd).map_err(|source| KvmError::Call { call, source })
    }

    pub fn create_vm(&self) -> Result<Vm> {
        // SAFETY: the argument is a number, the machine type.
        let fd = unsafe { call!(&self.fd, KVM_CREATE_VM, 0)? };
        let vm = Vm {
            fd: self.own("KVM_CREATE_VM", fd)?,
        };
        // Three pages that no guest memory uses; only old Intel processors want them.
        vm.set_tss_address(0xfffb_d000);
        vm.set_table_limit(TABLE_LIMIT);
        Ok(vm)
    }

    /// What a guest's `cpuid` could say.
    pub fn supported_cpuid(&self) -> Result<Box<kvm_cpuid2>> {
        let entries = [kvm_cpuid_entry2::default(); CPUID_ENTRIES];
        let mut cpuid = Box::new(kvm_cpuid2 {
            nent: CPUID_ENTRIES as u32,
            padding: 0,
            entries,
        });
        // SAFETY: the structure has as many entries as it says.
        unsafe {
            call!(
                &self.fd,
                KVM_GET_SUPPORTED_CPUID,
                &mut *cpuid as *mut kvm_cpuid2
            )?
        };
        Ok(cpuid)
    }

    pub fn create_vcpu(&self, vm: &Vm, number: u32) -> Result<Vcpu> {
        // SAFETY: the argument is a number.
        let fd = unsafe { call!(&vm.fd, KVM_CREATE_VCPU, number)? };
        let fd = self.own("KVM_CREATE_VCPU", fd)?;
        // SAFETY: a new mapping of the vCPU's pages; its length is what KVM said.
        let run = unsafe {
            libc::mmap(
                null_mut(),
                self.run_bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if run == libc::MAP_FAILED {
            return Err(error("mmap of kvm_run"));
        }
        let run = NonNull::new(run.cast()).ok_or_else(|| error("mmap of kvm_run"))?;
        Ok(Vcpu {
            fd,
            run,
            run_bytes: self.run_bytes,
        })
    }
}

/// KVM's own limit is a fiftieth of the guest's memory, at the time when a slot is added: too few where
/// thousands of stacks have a table each, which it then makes again and again. They count as the container's
/// memory.
const TABLE_LIMIT: u64 = 1 << 20;

pub struct Vm {
    fd: OwnedFd,
}

impl Vm {
    /// Makes host memory the guest's.
    ///
    /// # Safety
    /// The range stays mapped as long as the VM lives, and nothing in this process relies on what
    /// it holds: the guest may write it at any time.
    pub unsafe fn set_memory(&self, region: &kvm_userspace_memory_region) -> Result<()> {
        let region: *const kvm_userspace_memory_region = region;
        // SAFETY: the structure is what the request takes; the caller vouches for the memory.
        unsafe { call!(&self.fd, KVM_SET_USER_MEMORY_REGION, region)? };
        Ok(())
    }

    /// Intel processors without unrestricted guests want three pages below 4 GiB; others refuse.
    fn set_tss_address(&self, address: u64) {
        // SAFETY: the argument is a number. An error means that it is not needed.
        let _ = unsafe { call!(&self.fd, KVM_SET_TSS_ADDR, address) };
    }

    /// How many pages of shadow tables KVM keeps before it takes the oldest away.
    fn set_table_limit(&self, pages: u64) {
        // SAFETY: the argument is a number. An error means that there are no such tables.
        let _ = unsafe { call!(&self.fd, KVM_SET_NR_MMU_PAGES, pages) };
    }
}

pub struct Vcpu {
    fd: OwnedFd,
    run: NonNull<kvm_run>,
    run_bytes: usize,
}

// SAFETY: the descriptor and the mapping can be used from any thread; KVM serialises its ioctls.
unsafe impl Send for Vcpu {}

/// Why a vCPU came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// An `out` to this port.
    Out(u16),
    /// An `in` from a port: no kernel of ours does that.
    In(u16),
    /// A signal of the host.
    Interrupted,
    /// The host could not serve a memory access: a mapped file's page is not there.
    BadMemory,
    /// Another exit reason.
    Other(u32),
}

impl Vcpu {
    /// Runs the guest until it exits.
    pub fn run(&mut self) -> Result<Exit> {
        // SAFETY: KVM_RUN takes no argument.
        match unsafe { call!(&self.fd, KVM_RUN, 0) } {
            Ok(_) => {}
            Err(KvmError::Call { source, .. }) if source.raw_os_error() == Some(libc::EINTR) => {
                return Ok(Exit::Interrupted)
            }
            Err(KvmError::Call { source, .. }) if source.raw_os_error() == Some(libc::EFAULT) => {
                return Ok(Exit::BadMemory)
            }
            Err(other) => return Err(other),
        }
        let run = self.run.as_ptr();
        // SAFETY: the mapping is as large as KVM said; KVM writes it only inside the ioctl.
        let (reason, io_direction, port) = unsafe {
            (
                (&raw const (*run).exit_reason).read_volatile(),
                (&raw const (*run).io.direction).read_volatile(),
                (&raw const (*run).io.port).read_volatile(),
            )
        };
        Ok(match reason {
            KVM_EXIT_IO if io_direction == 1 => Exit::Out(port),
            KVM_EXIT_IO => Exit::In(port),
            KVM_EXIT_INTR => Exit::Interrupted,
            other => Exit::Other(other),
        })
    }

    /// Finishes the instruction that caused the last exit: KVM completes an `out` at the next run,
    /// over whatever registers were set meanwhile.
    pub fn settle(&mut self) -> Result<()> {
        self.set_immediate_exit(true);
        let done = self.run();
        self.set_immediate_exit(false);
        done.map(|_| ())
    }

    /// Has the next [`Vcpu::run`] return at once.
    pub fn set_immediate_exit(&mut self, on: bool) {
        let run = self.run.as_ptr();
        // SAFETY: as in `run`.
        unsafe { (&raw mut (*run).immediate_exit).write_volatile(u8::from(on)) };
    }

    /// Where [`Vcpu::set_immediate_exit`] writes: for a signal handler, which may store 1.
    pub fn immediate_exit(&self) -> *mut u8 {
        // SAFETY: as in `run`; no reference is made.
        unsafe { &raw mut (*self.run.as_ptr()).immediate_exit }
    }

    /// Whether an exception waits to be delivered to the guest.
    pub fn has_exception(&self) -> Result<bool> {
        let mut events = kvm_vcpu_events::default();
        // SAFETY: the structure is what the request fills.
        unsafe {
            call!(
                &self.fd,
                KVM_GET_VCPU_EVENTS,
                &mut events as *mut kvm_vcpu_events
            )?
        };
        Ok(events.exception_injected != 0 || events.exception_pending != 0)
    }

    pub fn regs(&self) -> Result<kvm_regs> {
        let mut regs = kvm_regs::default();
        // SAFETY: the structure is what the request fills.
        unsafe { call!(&self.fd, KVM_GET_REGS, &mut regs as *mut kvm_regs)? };
        Ok(regs)
    }

    pub fn set_regs(&self, regs: &kvm_regs) -> Result<()> {
        // SAFETY: the structure is what the request reads.
        unsafe { call!(&self.fd, KVM_SET_REGS, regs as *const kvm_regs)? };
        Ok(())
    }

    pub fn sregs(&self) -> Result<kvm_sregs> {
        let mut sregs = kvm_sregs::default();
        // SAFETY: the structure is what the request fills.
        unsafe { call!(&self.fd, KVM_GET_SREGS, &mut sregs as *mut kvm_sregs)? };
        Ok(sregs)
    }

    pub fn set_sregs(&self, sregs: &kvm_sregs) -> Result<()> {
        // SAFETY: the structure is what the request reads.
        unsafe { call!(&self.fd, KVM_SET_SREGS, sregs as *const kvm_sregs)? };
        Ok(())
    }

    pub fn set_cpuid(&self, cpuid: &kvm_cpuid2) -> Result<()> {
        // SAFETY: the structure has as many entries as it says.
        unsafe { call!(&self.fd, KVM_SET_CPUID2, cpuid as *const kvm_cpuid2)? };
        Ok(())
    }

    pub fn set_msrs<const N: usize>(&self, entries: [kvm_msr_entry; N]) -> Result<()> {
        let msrs = kvm_msrs {
            nmsrs: N as u32,
            pad: 0,
            entries,
        };
        // SAFETY: the structure has as many entries as it says.
        let set = unsafe { call!(&self.fd, KVM_SET_MSRS, &msrs as *const kvm_msrs<N>)? };
        if set as usize != N {
            return Err(KvmError::Call {
                call: "KVM_SET_MSRS",
                source: io::Error::from_raw_os_error(libc::EINVAL),
            });
        }
        Ok(())
    }

    fn msr(&self, index: u32) -> Result<u64> {
        let mut msrs = kvm_msrs {
            nmsrs: 1,
            pad: 0,
            entries: [kvm_msr_entry {
                index,
                ..kvm_msr_entry::default()
            }],
        };
        // SAFETY: the structure has as many entries as it says.
        let got = unsafe { call!(&self.fd, KVM_GET_MSRS, &mut msrs as *mut kvm_msrs<1>)? };
        if got != 1 {
            return Err(KvmError::Call {
                call: "KVM_GET_MSRS",
                source: io::Error::from_raw_os_error(libc::EINVAL),
            });
        }
        Ok(msrs.entries[0].data)
    }

    /// Sets XCR0; only where the guest's cpuid has XSAVE.
    pub fn set_xcr0(&self, value: u64) -> Result<()> {
        let mut xcrs = kvm_xcrs {
            nr_xcrs: 1,
            flags: 0,
            xcrs: [kvm_xcr::default(); 16],
            padding: [0; 16],
        };
        xcrs.xcrs[0].value = value;
        // SAFETY: the structure is what the request reads.
        unsafe { call!(&self.fd, KVM_SET_XCRS, &xcrs as *const kvm_xcrs)? };
        Ok(())
    }

    /// Makes the guest's time-stamp counter the host's, so that the host's vDSO data are true in
    /// the guest. Returns whether it is: Linux before 5.16 has no such attribute. kvm_pvm has none
    /// either, and needs none.
    pub fn share_tsc(&self) -> Result<bool> {
        let offset = 0u64;
        let attribute = kvm_device_attr {
            flags: 0,
            group: KVM_VCPU_TSC_CTRL,
            attr: KVM_VCPU_TSC_OFFSET,
            addr: &offset as *const u64 as u64,
        };
        // SAFETY: the structure is what the request reads, and points to the offset. Whether it
        // worked is seen below.
        let _ = unsafe {
            call!(
                &self.fd,
                KVM_SET_DEVICE_ATTR,
                &attribute as *const kvm_device_attr
            )
        };
        // SAFETY: rdtsc has no side effects.
        let before = unsafe { core::arch::x86_64::_rdtsc() };
        let guest = self.msr(MSR_IA32_TSC)?;
        // SAFETY: as above.
        let after = unsafe { core::arch::x86_64::_rdtsc() };
        Ok((before..=after).contains(&guest))
    }
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length and is used no more.
        unsafe { libc::munmap(self.run.as_ptr().cast(), self.run_bytes) };
    }
}
