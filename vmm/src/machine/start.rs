//! The vCPUs beside the first: the guest's kernel starts each when it has threads to run on it.

use std::mem::zeroed;
use std::sync::Arc;
use std::time::Instant;

use pinion_abi::layout::MAX_VCPUS;
use pinion_abi::Errno;

use super::{report, signals, tables, thread, vfork, Runner};
use crate::exit::{end_as, ExitStatus};
use crate::kvm::KvmError;

/// The CPUs that this process may run on, up to `most`.
pub fn cpus(most: u32) -> Vec<u32> {
    let mut cpus = allowed_cpus();
    cpus.truncate((most as usize).clamp(1, MAX_VCPUS));
    cpus
}

/// The CPUs that this process may run on.
pub fn allowed_cpus() -> Vec<u32> {
    // SAFETY: the call fills the set, whose size it is told; the macros read it.
    let mut cpus: Vec<u32> = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::sched_getaffinity(0, size_of_val(&set), &mut set);
        let all = 0..libc::CPU_SETSIZE as u32;
        all.filter(|cpu| libc::CPU_ISSET(*cpu as usize, &set))
            .collect()
    };
    if cpus.is_empty() {
        // More CPUs than the set has bits.
        cpus.push(0);
    }
    cpus
}

impl Runner {
    /// Answers the slot with 0, or with an error if there can be no other vCPU.
    pub(super) fn start_another(&mut self, slot: usize) {
        let answer = match self.try_start() {
            Ok(()) => 0,
            Err(errno) => errno.as_result(),
        };
        self.server.answer(slot, answer);
    }

    fn try_start(&mut self) -> Result<(), Errno> {
        // Held over the whole: a guest may ask for two at once.
        let vm = self.server.machinery.vm();
        let index = self.server.vcpus.count();
        if index >= self.factory.cpus.len() {
            return Err(Errno::EINVAL);
        }
        let made = || -> Result<_, KvmError> {
            let vcpu = self.factory.kvm.create_vcpu(&vm, index as u32)?;
            tables::start(self.factory.processor()?, &vcpu, &self.header, index)?;
            Ok(Box::new(vcpu))
        };
        let mut vcpu = made().map_err(|_| Errno::EAGAIN)?;
        let pointer: *mut _ = &mut *vcpu;
        let runner = Runner {
            factory: Arc::clone(&self.factory),
            vdso: self.vdso,
            index,
            vcpu,
            server: Arc::clone(&self.server),
            header: self.header,
            at_program: false,
            last: Instant::now(),
            unserved: 0,
            child: vfork::Child::default(),
        };
        thread::spawn(256 << 10, move || runner.run_beside()).map_err(|_| Errno::EAGAIN)?;
        self.server.vcpus.add(pointer);
        Ok(())
    }

    fn run_beside(self) {
        signals::block_for_helper();
        self.server.vcpus.run_by_this_thread(self.index);
        let Err(error) = self.run() else { return };
        report::line(format!("pinion-vmm: {error}").as_bytes());
        end_as(ExitStatus::Signal(libc::SIGKILL));
    }
}
