//! fork(2) of the guest: this process forks, and the child makes a VM of its own over the same memory,
//! which is copy-on-write now, and goes on at the same instruction.
//!
//! What the vCPU keeps beyond its general and system registers is the kernel's to save: it knows
//! when it asks.

use std::sync::atomic::Ordering;

use pinion_abi::boot::BootInfo;
use pinion_abi::layout::physical;
use pinion_abi::Errno;

use super::{helper, kick, report, tables, ticker, Runner};
use crate::exit::{end_as, ExitStatus};
use crate::kvm::abi::{kvm_regs, kvm_sregs};
use crate::kvm::KvmError;

/// clone(2), fork(2), vfork(2), clone3(2).
pub(super) const FORK: [u32; 4] = [56, 57, 58, 435];

impl Runner {
    /// Answers the slot: in the parent with the child's pid, in the child with 0.
    pub(super) fn fork(&mut self, slot: usize) -> Result<(), KvmError> {
        if self.index != 0 {
            // The child's machine is made by the thread that is its only one: the first vCPU's.
            self.server.answer(slot, Errno::EINVAL.as_result());
            return Ok(());
        }
        let awaited = self.server.slot(slot).0.args[0].load(Ordering::Relaxed) != 0;
        self.vcpu.settle()?;
        let (regs, sregs) = (self.vcpu.regs()?, self.vcpu.sregs()?);
        let forked = match self.server.service().may_make(&FORK) {
            true => self.server.fork(awaited),
            false => Err(Errno::EPERM),
        };
        match forked {
            Ok(0) => {
                if let Err(error) = self.become_child(&regs, &sregs) {
                    // The parent has been told that there is a child: it dies as one for which there
                    // is no memory.
                    report::line(format!("pinion-vmm: fork: {error}").as_bytes());
                    end_as(ExitStatus::Signal(libc::SIGKILL));
                }
                self.server.answer(slot, 0);
            }
            Ok(pid) => self.server.answer(slot, i64::from(pid)),
            Err(errno) => self.server.answer(slot, errno.as_result()),
        }
        Ok(())
    }

    fn become_child(&mut self, regs: &kvm_regs, sregs: &kvm_sregs) -> Result<(), KvmError> {
        // The parent's VM is of no use here: only its process can run it.
        let vm = self.factory.kvm.create_vm()?;
        self.server.memory.give(&vm)?;
        if let Some(pages) = &self.vdso {
            pages.give(&vm)?;
        }
        let vcpu = self.factory.kvm.create_vcpu(&vm, 0)?;
        let processor = self.factory.processor()?;
        tables::start(processor, &vcpu, &self.header, 0)?;
        let mut sregs = *sregs;
        sregs.tr.type_ = processor.task_type();
        vcpu.set_sregs(&sregs)?;
        vcpu.set_regs(regs)?;
        kick::aim(vcpu.immediate_exit());
        *self.vcpu = vcpu;
        *self.server.machinery.vm() = vm;
        self.name();
        helper::spawn(&self.server);
        ticker::spawn(&self.server);
        Ok(())
    }

    /// Tells the kernel who it is.
    pub(super) fn name(&self) {
        let at = self.server.memory.boot_pages();
        let info = at
            .wrapping_add(physical::BOOT_INFO as usize)
            .cast::<BootInfo>();
        // SAFETY: the page stays mapped, and the vCPU does not run; getpid(2) and getppid(2) take
        // nothing.
        unsafe {
            (&raw mut (*info).process.pid).write_volatile(libc::getpid() as u32);
            (&raw mut (*info).process.ppid).write_volatile(libc::getppid() as u32);
        }
    }
}
