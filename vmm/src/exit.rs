//! How the monitor ends: with the exit status of the container's program.

use std::arch::asm;

/// How a process ended (wait(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    Code(u8),
    /// Killed by this signal.
    Signal(i32),
}

impl ExitStatus {
    /// Of a status that waitpid(2) gave for a process that has ended.
    pub fn from_wait(status: i32) -> ExitStatus {
        if libc::WIFSIGNALED(status) {
            ExitStatus::Signal(libc::WTERMSIG(status))
        } else {
            ExitStatus::Code(libc::WEXITSTATUS(status) as u8)
        }
    }
}

/// Ends this process so that its parent sees `status`. It leaves no core.
///
/// Pid 1 of a pid namespace is immune to the signals that it sends itself, but not to the faults it
/// makes under the default action: SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGTRAP are made so, SIGSYS
/// by a call that the filter kills. A program that is pid 1 dies of no other signal by its own doing on
/// Linux either; SIGKILL comes from outside and then ends the monitor itself. Should another be
/// asked for, it ends with code 128 + signal, which is what waiters compute.
pub fn end_as(status: ExitStatus) -> ! {
    let signal = match status {
        ExitStatus::Code(code) => end_with(i32::from(code)),
        ExitStatus::Signal(signal) => signal,
    };
    leave_no_core();
    restore_default(signal);
    // SAFETY: the process ends here: nothing of its state matters after a signal or a fault.
    unsafe {
        libc::kill(libc::getpid(), signal);
        // Pid 1 is still here.
        match signal {
            libc::SIGSEGV => asm!("mov byte ptr [{0}], 0", in(reg) 0_usize),
            libc::SIGBUS => {
                past_end();
                stack_fault();
            }
            libc::SIGILL => asm!("ud2"),
            libc::SIGFPE => {
                asm!("xor edx, edx", "xor ecx, ecx", "div ecx", out("eax") _, out("ecx") _, out("edx") _)
            }
            libc::SIGTRAP => asm!("int3"),
            // A 32-bit system call: the monitor's filter kills for a foreign architecture.
            libc::SIGSYS => asm!("int 0x80", inout("eax") 20 => _),
            _ => {}
        }
    }
    end_with(128 + signal)
}

/// An access to a page that its file does not have (mmap(2)). Returns if there can be no such page.
///
/// # Safety
/// The process must be about to end.
unsafe fn past_end() {
    // SAFETY: a new, empty file and a new mapping of it. The access faults, by what the caller promises
    // nothing runs after it.
    unsafe {
        let file = libc::memfd_create(c"".as_ptr(), libc::MFD_CLOEXEC);
        let protection = libc::PROT_READ;
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            protection,
            libc::MAP_SHARED,
            file,
            0,
        );
        if page != libc::MAP_FAILED {
            page.cast::<u8>().read_volatile();
        }
    }
}

/// An access through rbp with an address that is no address: the processor's stack fault (#SS),
/// which Linux makes SIGBUS. An emulated processor may make another fault of it.
///
/// # Safety
/// The process must be about to end.
unsafe fn stack_fault() {
    // SAFETY: the access faults, by what the caller promises nothing runs after it.
    unsafe {
        asm!("push rbp", "mov rbp, {0}", "mov {0}, [rbp]", "pop rbp", inout(reg) 0x8000_0000_0000_0000_u64 => _);
    }
}

fn leave_no_core() {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: setrlimit(2) reads one struct, this prctl(2) takes numbers. Should one fail, the other
    // does.
    unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &none);
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
}

fn restore_default(signal: i32) {
    // SAFETY: the sets are initialised by sigemptyset(3), the struct's other fields may be zero.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &action, std::ptr::null_mut());
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
    }
}

fn end_with(code: i32) -> ! {
    // SAFETY: nothing is left to flush: the monitor's writes are system calls.
    unsafe { libc::_exit(code) }
}
