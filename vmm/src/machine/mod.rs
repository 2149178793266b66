//! The microVM: makes it, starts the unikernel in it, and serves it until the program ends.

mod awaited;
mod crowded;
mod exec;
mod fork;
mod futex;
mod helper;
mod image;
mod kick;
mod known;
mod memory;
mod posted;
mod profile;
mod report;
mod requests;
mod search;
mod server;
mod signals;
mod sites;
pub mod start;
mod tables;
#[cfg(test)]
mod tests;
mod thread;
mod ticker;
mod timeline;
mod timers;
pub mod title;
mod vcpus;
mod vdso;
mod vfork;
mod workers;

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use pinion_abi::boot::{BootInfo, Inherited, PendingSignal, ProcessInfo, StringsInfo, MAGIC};
use pinion_abi::layout::{per_cpu, physical, vector, ImageHeader, KERNEL, PER_CPU};
use pinion_abi::streams::ROUND;
use pinion_abi::{ports, Errno};

use crate::calls::Service;
use crate::census::{self, Census};
use crate::exec::{execute as exec_program, Request};
use crate::exit::ExitStatus;
use crate::kvm::abi::kvm_regs;
use crate::kvm::{Exit, Keep, Kvm, KvmError, Vcpu, Vm};
pub use awaited::go_on;
pub use futex::SYS_FUTEX_WAITV;
use image::{Image, ImageError};
pub use known::Known;
pub use memory::MADV_POPULATE_WRITE;
use memory::{Memory, MemoryError};
use requests::Machinery;
use server::{Direct, Server};
use sites::Sites;

/// Bytes of the container's file: counts, what is remembered of files, processes.
pub const MISSING_FILE_BYTES: u64 = MISSING_FILE_HEAD + census::PROCESSES_BYTES;
/// Those before the processes, of which most will never be.
pub const MISSING_FILE_HEAD: u64 = sites::END;
use timeline::Timeline;
use title::Title;

#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    #[error(transparent)]
    Kvm(#[from] KvmError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(
        "argument list too long: arguments and environment have {bytes} bytes, at most {most} fit"
    )]
    Strings { bytes: usize, most: u64 },
    #[error("argument list too long: one string has {bytes} bytes, at most {most} fit")]
    String { bytes: usize, most: u64 },
    #[error("KVM cannot make the task that it needs: the limit of pids is too low")]
    Pids,
    #[error("handle the monitor's own signal: {0}")]
    Kick(io::Error),
    #[error("execute the program: {0}")]
    Exec(crate::errno::Errno),
    #[error("take the program's title: {0}")]
    Title(crate::errno::Errno),
}

/// What a machine may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that its memory may grow to; `None`: what the host has.
    pub memory: Option<u64>,
    /// It has no more than its process has CPUs.
    pub vcpus: u32,
}

/// What machines are made of. It needs the host's files for the first one only; a child of fork(2)
/// makes its machine of the same.
pub struct Factory {
    kvm: Kvm,
    /// The unikernel's image.
    kernel: File,
    /// The monitor's own file.
    monitor: OwnedFd,
    /// Where guests count what they did not get: the container's, or nowhere.
    missing: Option<OwnedFd>,
    /// [`crate::exec::key`], where the container's programs may gain rights.
    key: OnceLock<OwnedFd>,
    limits: Limits,
    /// The host's numbers of the CPUs that vCPUs stand for.
    cpus: Vec<u32>,
    /// Found out when the first machine wants to know.
    processor: OnceLock<tables::Processor>,
    vdso: OnceLock<Option<vdso::Pages>>,
    known: Known,
}

/// A microVM in which the unikernel is loaded, but nothing has run yet.
pub struct Machine {
    factory: Arc<Factory>,
    vm: Vm,
    vcpu: Vcpu,
    memory: Memory,
    image: Image,
    vdso: Option<vdso::Pages>,
    census: Option<Census>,
    timeline: Timeline,
}

/// What runs in it.
pub struct Guest {
    /// The program's file, private.
    pub executable: OwnedFd,
    pub executable_bytes: u64,
    /// The program's path, as execve(2) was given it.
    pub path: CString,
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    /// (soft, hard) by number.
    pub rlimits: [[u64; 2]; 16],
    pub inherited: Inherited,
    pub verbose: bool,
    /// The program's file gave it rights (getauxval(3), AT_SECURE).
    pub secure: bool,
    /// Others of the same user may not look into it: they have not its rights, or may not read its file.
    pub hidden: bool,
}

impl Factory {
    /// `missing`: a file of [`pinion_abi::missing`].
    pub fn new(
        kvm: OwnedFd,
        keep: Keep,
        kernel: File,
        monitor: OwnedFd,
        missing: Option<OwnedFd>,
        limits: Limits,
    ) -> Result<Arc<Factory>, MachineError> {
        Ok(Arc::new(Factory {
            kvm: Kvm::new(kvm, keep)?,
            kernel,
            monitor,
            missing,
            key: OnceLock::new(),
            limits,
            cpus: start::cpus(limits.vcpus),
            processor: OnceLock::new(),
            vdso: OnceLock::new(),
            known: Known::default(),
        }))
    }

    /// As one that another monitor had before it executed this one.
    pub fn again(
        kvm: OwnedFd,
        keep: Keep,
        kernel: File,
        monitor: OwnedFd,
        missing: Option<OwnedFd>,
        limits: Limits,
        known: Known,
    ) -> Result<Arc<Factory>, MachineError> {
        let processor = known.processor();
        Ok(Arc::new(Factory {
            kvm: Kvm::new(kvm, keep)?,
            kernel,
            monitor,
            missing,
            key: OnceLock::new(),
            limits,
            cpus: start::cpus(limits.vcpus),
            processor: processor.map_or_else(OnceLock::new, OnceLock::from),
            vdso: OnceLock::from(known.vdso()),
            known,
        }))
    }

    pub fn kvm(&self) -> &OwnedFd {
        self.kvm.descriptor()
    }

    pub fn kernel(&self) -> BorrowedFd<'_> {
        self.kernel.as_fd()
    }

    pub fn monitor(&self) -> &OwnedFd {
        &self.monitor
    }

    pub fn missing(&self) -> Option<BorrowedFd<'_>> {
        self.missing.as_ref().map(OwnedFd::as_fd)
    }

    pub fn key(&self) -> Option<BorrowedFd<'_>> {
        self.key.get().map(OwnedFd::as_fd)
    }

    /// Only the first one counts.
    pub fn set_key(&self, key: OwnedFd) {
        let _ = self.key.set(key);
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    fn processor(&self) -> Result<&tables::Processor, KvmError> {
        match self.processor.get() {
            Some(processor) => Ok(processor),
            None => {
                let processor = tables::processor(&self.kvm)?;
                Ok(self.processor.get_or_init(|| processor))
            }
        }
    }

    pub fn make(self: &Arc<Self>) -> Result<Machine, MachineError> {
        let mut timeline = Timeline::start();
        let vm = self.kvm.create_vm()?;
        let memory = Memory::reserve(self.limits.memory.unwrap_or_else(host_memory))?;
        if let Some(file) = &self.missing {
            memory.count_in(file.as_fd())?;
        }
        memory.grow(&vm, memory::FIRST, memory::FIRST)?;
        timeline.mark("vm and memory");
        let image = image::load(&self.kernel, &memory)?;
        timeline.mark("image");
        let vcpu = self.kvm.create_vcpu(&vm, 0)?;
        let shared_tsc = tables::start(self.processor()?, &vcpu, &image.header, 0)?;
        timeline.mark("vcpu");
        // The vDSO computes with the host's counter.
        let vdso = shared_tsc
            .then(|| self.vdso.get_or_init(vdso::find))
            .copied()
            .flatten();
        if let Some(pages) = &vdso {
            pages.give(&vm)?;
        }
        timeline.mark("vdso");
        for (address, entry) in tables::entries(memory.bytes()) {
            let at = memory.boot_pages().wrapping_add(address as usize);
            // SAFETY: every table lies in the boot memory, and no vCPU runs yet.
            unsafe { at.cast::<u64>().write_unaligned(entry) };
        }
        timeline.mark("tables");
        let census = self.missing.as_ref();
        let census = census.and_then(|file| Census::map(file.as_fd(), sites::END));
        Ok(Machine {
            census,
            factory: Arc::clone(self),
            vm,
            vcpu,
            memory,
            image,
            vdso,
            timeline,
        })
    }
}

impl Machine {
    /// See [`Timeline::executed_at`].
    pub fn executed_at(&mut self, ticks: u64) {
        self.timeline.executed_at(ticks);
    }

    /// Whether programs may gain rights.
    pub fn may_gain(&self) -> bool {
        self.factory.key().is_some()
    }

    /// Puts into the machine all that the kernel is told of its program.
    pub fn load(mut self, guest: Guest, service: Service) -> Result<Loaded, MachineError> {
        self.timeline.mark("service");
        self.write_boot_info(&guest, &service.filters().to_words(0))?;
        self.timeline.mark("boot information");
        let (path, arguments) = (&guest.path, &guest.arguments);
        let title = Title::take(
            path,
            arguments,
            &guest.environment,
            service.proc_root().as_fd(),
        )
        .map_err(MachineError::Title)?;
        self.timeline.mark("title");
        // With its first run a VM gets a task in the host's kernel, which counts as a thread of this process:
        // not before the process has joined a user namespace (setns(2)), but before `start`.
        self.vcpu.settle().map_err(|error| match error {
            KvmError::Call { source, .. } if source.raw_os_error() == Some(libc::EAGAIN) => {
                MachineError::Pids
            }
            error => error.into(),
        })?;
        self.timeline.mark("task");
        if let Some(census) = self.census {
            census.begin();
        }
        let machinery = Machinery {
            sites: self.factory.missing().and_then(Sites::map),
            census: self.census,
            vm: Mutex::new(self.vm),
            executable: guest.executable,
            verbose: guest.verbose,
            blocked: AtomicU64::new(guest.inherited.blocked),
            title,
            timeline: self.timeline,
        };
        Ok(Loaded {
            factory: self.factory,
            vcpu: self.vcpu,
            server: Server::new(self.memory, service, machinery),
            image: self.image,
            vdso: self.vdso,
            request: None,
        })
    }

    fn write_boot_info(&self, guest: &Guest, filters: &[u64]) -> Result<(), MachineError> {
        let mut strings = Vec::new();
        for string in [&guest.path]
            .into_iter()
            .chain(&guest.arguments)
            .chain(&guest.environment)
        {
            let bytes = string.as_bytes_with_nul();
            if bytes.len() as u64 > physical::STRING_BYTES {
                return Err(MachineError::String {
                    bytes: bytes.len(),
                    most: physical::STRING_BYTES,
                });
            }
            strings.extend_from_slice(bytes);
        }
        if strings.len() as u64 > physical::STRINGS_BYTES {
            let bytes = strings.len();
            return Err(MachineError::Strings {
                bytes,
                most: physical::STRINGS_BYTES,
            });
        }
        let base = self.memory.boot_pages();
        let info = base
            .wrapping_add(physical::BOOT_INFO as usize)
            .cast::<BootInfo>();
        // SAFETY: the ranges lie in the boot memory (all filters of a process have far fewer words than
        // there is room for), which is zero, and no vCPU runs yet. A zeroed
        // BootInfo is valid: it has only integers.
        let info = unsafe {
            let to = base.wrapping_add(physical::STRINGS as usize);
            std::ptr::copy_nonoverlapping(strings.as_ptr(), to, strings.len());
            let to = base.wrapping_add(physical::FILTERS as usize).cast();
            std::ptr::copy_nonoverlapping(filters.as_ptr(), to, filters.len());
            &mut *info
        };
        info.magic = MAGIC;
        info.memory_bytes = self.memory.bytes();
        info.memory_limit = self.memory.limit();
        info.kernel_bytes = self.image.bytes;
        info.vdso_bytes = self.vdso.map_or(0, |pages| pages.bytes);
        info.vdso_image = self.vdso.map_or(0, |pages| pages.image);
        info.verbose = u32::from(guest.verbose);
        info.vcpus = self.factory.cpus.len() as u32;
        info.task_unit = self.census.map_or(0, |census| census.unit());
        info.cpus[..self.factory.cpus.len()].copy_from_slice(&self.factory.cpus);
        info.process = process_info(guest);
        self.factory.known.tell(info);
        info.strings = StringsInfo {
            bytes: strings.len() as u64,
            argc: guest.arguments.len() as u32,
            envc: guest.environment.len() as u32,
        };
        info.filter_words = filters.len() as u64;
        Ok(())
    }
}

fn host_memory() -> u64 {
    // SAFETY: sysconf(3) takes a number.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    u64::try_from(pages).unwrap_or(0).saturating_mul(4096)
}

fn process_info(guest: &Guest) -> ProcessInfo {
    let mut random = [0; 32];
    // Who runs it is not who it runs as (getauxval(3), AT_SECURE).
    // SAFETY: these calls take nothing.
    let set_id = unsafe { libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid() };
    let secure = guest.secure || set_id;
    // SAFETY: these calls take no pointers but the buffer, whose length is given. getrandom(2) of
    // so few bytes is never cut short once the host is up.
    unsafe {
        libc::getrandom(random.as_mut_ptr().cast(), random.len(), 0);
        ProcessInfo {
            pid: libc::getpid() as u32,
            ppid: libc::getppid() as u32,
            uid: libc::getuid(),
            euid: libc::geteuid(),
            gid: libc::getgid(),
            egid: libc::getegid(),
            secure: u32::from(secure),
            dumpable: u32::from(!set_id && !guest.hidden),
            executable_bytes: guest.executable_bytes,
            random,
            hwcap: libc::getauxval(libc::AT_HWCAP),
            hwcap2: libc::getauxval(libc::AT_HWCAP2),
            rlimits: guest.rlimits,
            inherited: guest.inherited,
        }
    }
}

/// Has all signals wait from now on, behind those that waited in the guest's kernel.
pub fn hold_signals(pending: &[PendingSignal]) -> signals::Mask {
    let mask = signals::block_all();
    for words in pending {
        // What the host does not queue (RLIMIT_SIGPENDING) is lost as it would be on Linux.
        let _ = signals::queue(words[0].into(), words);
    }
    mask
}

/// A line on standard error.
pub fn report(text: &str) {
    report::line(text.as_bytes());
}

/// A microVM whose next step is the kernel's first instruction.
pub struct Loaded {
    factory: Arc<Factory>,
    vcpu: Vcpu,
    server: Server,
    image: Image,
    vdso: Option<vdso::Pages>,
    request: Option<Request>,
}

impl Loaded {
    /// Executes that in the program's place, if it is any.
    pub fn executing(self, request: Option<Request>) -> Loaded {
        Loaded { request, ..self }
    }

    /// Runs the guest to its end. Returns only if it could not be run.
    pub fn run(mut self) -> Result<ExitStatus, MachineError> {
        self.server.machinery.timeline.mark("start");
        if let Some(request) = self.request {
            let (service, verbose) = (self.server.service(), self.server.machinery.verbose);
            exec_program(
                request,
                service,
                &self.factory,
                |_| Known::default(),
                verbose,
            )
            .map_err(|errno| MachineError::Exec(crate::errno::Errno(errno.0)))?;
        }
        let server = Arc::new(self.server);
        server.tell_held();
        report::end_on_panic();
        // SAFETY: the server is never dropped: threads without end hold it.
        unsafe { signals::note_in(server.header(), server.vcpus.first_woken()) };
        kick::prepare().map_err(MachineError::Kick)?;
        server.vcpus.start();
        helper::spawn(&server);
        ticker::spawn(&server);
        Ok(Runner {
            factory: self.factory,
            vdso: self.vdso,
            index: 0,
            vcpu: Box::new(self.vcpu),
            server,
            header: self.image.header,
            at_program: false,
            last: Instant::now(),
            unserved: 0,
            child: vfork::Child::default(),
        }
        .run()?)
    }
}

/// How often a memory access that the host cannot serve is made anew, and how long after it failed.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(1);

/// The loop around one vCPU.
struct Runner {
    /// What a child of fork(2) needs for a VM of its own.
    factory: Arc<Factory>,
    vdso: Option<vdso::Pages>,
    index: usize,
    vcpu: Box<Vcpu>,
    server: Arc<Server>,
    header: ImageHeader,
    /// Whether the vCPU was in the program when it last left.
    at_program: bool,
    /// When the guest last left for a request that a helper could have served.
    last: Instant,
    /// How often in a row the host could not serve a memory access.
    unserved: u32,
    child: vfork::Child,
}

impl Runner {
    fn run(mut self) -> Result<ExitStatus, KvmError> {
        kick::aim(self.vcpu.immediate_exit());
        match self.run_on()? {}
    }

    fn run_on(&mut self) -> Result<Infallible, KvmError> {
        loop {
            let exit = self.enter()?;
            self.server.exits.fetch_add(1, Ordering::Relaxed);
            if !matches!(exit, Exit::BadMemory | Exit::Interrupted) {
                self.unserved = 0;
            }
            match exit {
                Exit::Out(ports::SERVE) => self.serve()?,
                Exit::Out(ports::PANIC) => {
                    let text = report::panic_text(&self.server);
                    report::line(&[b"unikernel: ", &text[..]].concat());
                    self.server.end(ExitStatus::Signal(libc::SIGKILL));
                }
                Exit::Out(_) | Exit::In(_) => self.general_protection()?,
                Exit::Interrupted => self.interrupted()?,
                Exit::BadMemory => self.unserved(),
                // The guest destroyed what it runs on: its tables, its stubs.
                Exit::Other(reason) => {
                    if self.server.machinery.verbose {
                        let regs = self.vcpu.regs()?;
                        let text =
                            format!("guest stopped: exit reason {reason} at {:#x}", regs.rip);
                        report::line(text.as_bytes());
                    }
                    self.server.end(ExitStatus::Signal(libc::SIGSEGV));
                }
            }
        }
    }

    /// The host could not serve a memory access. It is out of memory for a moment, or a page of a mapped file is
    /// not there any more (mmap(2), SIGBUS): the access is made anew some times.
    fn unserved(&mut self) {
        self.unserved += 1;
        if self.unserved > ATTEMPTS {
            if self.server.machinery.verbose {
                let rip = self.vcpu.regs().map_or(0, |regs| regs.rip);
                report::line(format!("no memory for an access at {rip:#x}").as_bytes());
            }
            self.server.end(ExitStatus::Signal(libc::SIGBUS));
        }
        std::thread::sleep(PAUSE);
    }

    fn enter(&mut self) -> Result<Exit, KvmError> {
        if self.child.active() {
            // Its parent's thread is the one that kicks would find.
            return self.vcpu.run();
        }
        let server = Arc::clone(&self.server);
        if self.index == 0 {
            server.settle();
        }
        server.vcpus.enter(self.index);
        // A kick of before was not sent; the kernel sees the flag itself on its way to the program.
        let preempt = &server.header().vcpus[self.index].preempt;
        let kicked = self.at_program && preempt.load(Ordering::SeqCst) != 0;
        let exit = if kicked {
            Ok(Exit::Interrupted)
        } else {
            self.vcpu.run()
        };
        server.vcpus.leave(self.index);
        self.at_program = false;
        exit
    }

    fn serve(&mut self) -> Result<(), KvmError> {
        if self.child.active() {
            return self.serve_child();
        }
        if self.index == 0 {
            self.server.settle();
        }
        let posted = self.server.make_posted();
        let direct = match self.server.serve_direct(self.index) {
            Direct::Fork(slot) => return self.fork(slot),
            Direct::Vfork(slot) => return self.vfork(slot),
            Direct::Start(slot) => {
                self.start_another(slot);
                return Ok(());
            }
            Direct::Exec(slot, address, bytes) => {
                self.exec(slot, address, bytes);
                return Ok(());
            }
            direct => direct == Direct::Served,
        };
        let drained = self.server.drain();
        if direct || drained > 0 {
            let now = Instant::now();
            // A round of many calls leaves the guest once, and wants no helper.
            if posted < ROUND && now.duration_since(self.last) < helper::BUSY {
                helper::wake(&self.server);
            }
            self.last = now;
            return Ok(());
        }
        // Either the helper has the request and no core, or the program itself executed `out`.
        let rip = self.vcpu.regs()?.rip;
        let own = self.header.out_start..=self.header.out_end;
        if !own.contains(&rip) {
            return self.general_protection();
        }
        std::thread::yield_now();
        Ok(())
    }

    /// A child of vfork(2) serves what its vCPU names, and nothing that others have pushed.
    fn serve_child(&mut self) -> Result<(), KvmError> {
        self.child.serving(self.server.direct());
        match self.server.serve_direct(0) {
            Direct::Fork(slot) | Direct::Vfork(slot) | Direct::Start(slot) => {
                self.server.answer(slot, Errno::ENOSYS.as_result());
            }
            Direct::Exec(slot, address, bytes) => self.exec(slot, address, bytes),
            Direct::Served => {}
            Direct::None => {
                let rip = self.vcpu.regs()?.rip;
                let own = self.header.out_start..=self.header.out_end;
                if !own.contains(&rip) {
                    return self.general_protection();
                }
            }
        }
        self.child.serving(None);
        Ok(())
    }

    /// The program used a port, which Linux answers with SIGSEGV: the kernel is sent to its
    /// exception entry as if the processor had raised #GP.
    fn general_protection(&mut self) -> Result<(), KvmError> {
        self.vcpu.settle()?;
        let regs = self.vcpu.regs()?;
        if regs.rip >= KERNEL {
            self.server.end(ExitStatus::Signal(libc::SIGSEGV));
        }
        self.raise(vector::GENERAL_PROTECTION, regs)
    }

    /// A signal of the host ended the run: a kick, or one of the guest's.
    fn interrupted(&mut self) -> Result<(), KvmError> {
        self.vcpu.set_immediate_exit(false);
        let preempt = &self.server.header().vcpus[self.index].preempt;
        let regs = self.vcpu.regs()?;
        // The kernel itself is not preempted: it looks at the flag before it goes back. Nor is
        // an exception that is on its way overtaken.
        if regs.rip >= PER_CPU || self.vcpu.has_exception()? {
            return Ok(());
        }
        if preempt.swap(0, Ordering::SeqCst) == 0 {
            self.at_program = true;
            return Ok(());
        }
        self.raise(vector::PREEMPT, regs)
    }

    /// Sends the vCPU, which is in the program, to the kernel's exception entry.
    fn raise(&mut self, vector: u64, mut regs: kvm_regs) -> Result<(), KvmError> {
        let sregs = self.vcpu.sregs()?;
        let frame = [
            vector,
            0,
            regs.rip,
            u64::from(sregs.cs.selector),
            regs.rflags,
            regs.rsp,
            u64::from(sregs.ss.selector),
        ];
        let top = physical::area(self.index) + per_cpu::EXCEPTION_STACK + pinion_abi::layout::PAGE;
        let at = self
            .server
            .memory
            .boot_pages()
            .wrapping_add(top as usize - size_of_val(&frame));
        // SAFETY: every vCPU's exception stack lies in the boot memory; this vCPU is not running.
        unsafe { at.cast::<[u64; 7]>().write_unaligned(frame) };
        regs.rip = self.header.exception;
        regs.rsp = PER_CPU + per_cpu::END;
        regs.rflags = tables::FLAGS;
        self.vcpu.set_regs(&regs)
    }
}
