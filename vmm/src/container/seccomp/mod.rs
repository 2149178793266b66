//! The monitor's system calls: what it may do to the host from the moment on when it becomes the
//! container's user, whatever a guest makes it do.
//!
//! The list has two parts: the calls that it makes for the guest, which are the `host` rows of
//! [`pinion_abi::calls`], and the [`OWN`] ones below. Some are allowed with some arguments only
//! ([`CHECKED`]). A call of [`NEVER`] can only come from a monitor that a guest has taken over, so
//! it kills; so does a call of another architecture. Anything else, x32 included, is ENOSYS.

mod filter;

use libc::c_long;

use crate::calls::AT_EXECVE_CHECK;
use crate::errno::{check, Errno};

#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    #[error("unable to install the system call filter: {0}")]
    Install(Errno),
    #[error("unable to install the system call filter: thread {0} has another")]
    Thread(i64),
}

/// What the monitor calls for itself, with the reason.
const OWN: &[(c_long, &str)] = &[
    (libc::SYS_futex, "locks, parked vCPUs"),
    (libc::SYS_read, "doorbells, files"),
    (libc::SYS_write, "doorbells, files, the exec fifo"),
    (libc::SYS_ppoll, "waits of helpers"),
    (libc::SYS_poll, "waits of helpers"),
    (
        libc::SYS_epoll_create1,
        "descriptors whose readiness is awaited",
    ),
    (
        libc::SYS_epoll_ctl,
        "descriptors whose readiness is awaited",
    ),
    (
        libc::SYS_epoll_pwait,
        "descriptors whose readiness is awaited",
    ),
    (
        libc::SYS_epoll_wait,
        "descriptors whose readiness is awaited",
    ),
    (libc::SYS_eventfd2, "doorbells"),
    (libc::SYS_mmap, "the guest's memory, thread stacks"),
    (libc::SYS_munmap, "the guest's memory, thread stacks"),
    (libc::SYS_mprotect, "thread stacks, the heap"),
    (libc::SYS_mremap, "the heap"),
    (libc::SYS_arch_prctl, "start of the monitor at execve(2)"),
    (
        libc::SYS_set_tid_address,
        "start of the monitor at execve(2)",
    ),
    (libc::SYS_readlink, "start of the monitor at execve(2)"),
    (libc::SYS_lseek, "what travels over execve(2)"),
    (
        libc::SYS_madvise,
        "populating and giving back the guest's memory",
    ),
    (libc::SYS_mincore, "resident memory of the guest, for /proc"),
    (libc::SYS_msync, "shared file mappings of the guest"),
    (libc::SYS_brk, "the heap"),
    (libc::SYS_close, "descriptors"),
    (libc::SYS_close_range, "descriptors"),
    (libc::SYS_fcntl, "descriptors"),
    (libc::SYS_dup3, "descriptors"),
    (libc::SYS_openat, "files of the guest"),
    (libc::SYS_openat2, "files of the guest, confined"),
    (libc::SYS_newfstatat, "what kind of file a path is"),
    (libc::SYS_fstat, "what kind of file a descriptor is"),
    (libc::SYS_statx, "what kind of file a descriptor is"),
    (libc::SYS_fstatfs, "whether a file lies in procfs"),
    (libc::SYS_readlinkat, "where a path leads"),
    (libc::SYS_getdents64, "directories"),
    (libc::SYS_pread64, "program files"),
    (libc::SYS_faccessat2, "whether the user may run the program"),
    (libc::SYS_fchdir, "the working directory"),
    (libc::SYS_getcwd, "the working directory"),
    (libc::SYS_umask, "the program's umask"),
    (libc::SYS_sendto, "the control socket"),
    (libc::SYS_recvfrom, "the control socket"),
    (libc::SYS_shutdown, "the control socket"),
    (
        libc::SYS_rt_sigaction,
        "dispositions, mirrored from the guest",
    ),
    (libc::SYS_rt_sigprocmask, "kicks that come at their time"),
    (libc::SYS_rt_sigpending, "signals for the guest"),
    (libc::SYS_rt_sigtimedwait, "signals for the guest"),
    (
        libc::SYS_rt_sigqueueinfo,
        "signals for a signalfd of the guest",
    ),
    (
        libc::SYS_shmat,
        "System V shared memory in the guest's memory",
    ),
    (libc::SYS_timer_create, "timers of the guest"),
    (libc::SYS_timer_delete, "timers of the guest"),
    (libc::SYS_rt_sigreturn, "the end of a signal handler"),
    (libc::SYS_sigaltstack, "Rust's stack guard"),
    (libc::SYS_tgkill, "kicking a vCPU's thread"),
    (libc::SYS_kill, "dying of a signal"),
    (libc::SYS_gettid, "kicking a vCPU's thread"),
    (libc::SYS_getpid, "dying of a signal"),
    (libc::SYS_set_robust_list, "start of a thread"),
    (libc::SYS_rseq, "start of a thread"),
    (libc::SYS_sched_yield, "spinning politely"),
    (libc::SYS_sched_getaffinity, "how many CPUs there are"),
    (libc::SYS_pause, "waiting for a signal"),
    (libc::SYS_pipe2, "standard streams of a hook"),
    (libc::SYS_pidfd_open, "the end of a hook, with a time limit"),
    (libc::SYS_wait4, "the end of a hook"),
    (libc::SYS_memfd_create, "files that only the guest sees"),
    (libc::SYS_exit, "end of a thread"),
    (libc::SYS_exit_group, "end"),
    (
        libc::SYS_restart_syscall,
        "a wait that a stop has interrupted",
    ),
    (libc::SYS_membarrier, "a barrier in all processes"),
    (
        crate::machine::SYS_FUTEX_WAITV,
        "waiting for several words that processes share",
    ),
    (
        libc::SYS_clock_gettime,
        "time, where the vDSO does not tell it",
    ),
    (libc::SYS_clock_getres, "time"),
    (libc::SYS_clock_nanosleep, "sleeping"),
    (libc::SYS_getrandom, "AT_RANDOM, hash seeds"),
    (
        libc::SYS_prlimit64,
        "no core of a monitor that dies of a signal",
    ),
    (libc::SYS_getrlimit, "limits"),
    (
        libc::SYS_setrlimit,
        "no core of a monitor that dies of a signal",
    ),
    (libc::SYS_setgroups, "becoming the user"),
    (libc::SYS_setresgid, "becoming the user"),
    (libc::SYS_setresuid, "becoming the user"),
    (libc::SYS_capset, "becoming the user"),
];

/// Calls with a condition on one argument, and the reason.
const CHECKED: &[(c_long, u32, Condition, &str)] = &[
    (
        libc::SYS_ioctl,
        1,
        Condition::Ioctl,
        "KVM, and terminals and sockets for the guest",
    ),
    (
        libc::SYS_clone,
        0,
        Condition::WithoutBits(NEW_NAMESPACES),
        "threads, processes of the guest; clone3(2) hides its flags, so it is ENOSYS",
    ),
    (
        libc::SYS_execveat,
        4,
        Condition::OneOf(EXECVEAT),
        "the monitor itself, by a descriptor, for execve(2) of the guest",
    ),
    (
        libc::SYS_unshare,
        0,
        Condition::WithoutBits(!(libc::CLONE_FILES | libc::CLONE_FS) as u32),
        "a thread with a descriptor table, or a working directory, of its own",
    ),
    (
        libc::SYS_prctl,
        0,
        Condition::OneOf(PRCTL),
        "capabilities, names, the death signal",
    ),
];

const NEW_NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// AT_EMPTY_PATH, and with it the question whether a file may be executed.
const EXECVEAT: &[u32] = &[
    libc::AT_EMPTY_PATH as u32,
    (libc::AT_EMPTY_PATH | AT_EXECVE_CHECK) as u32,
];

const PRCTL: &[u32] = &[
    libc::PR_SET_PDEATHSIG as u32,
    libc::PR_GET_PDEATHSIG as u32,
    libc::PR_GET_DUMPABLE as u32,
    libc::PR_SET_DUMPABLE as u32,
    libc::PR_GET_KEEPCAPS as u32,
    libc::PR_SET_KEEPCAPS as u32,
    libc::PR_SET_MM as u32,
    libc::PR_SET_NAME as u32,
    libc::PR_GET_NAME as u32,
    libc::PR_CAPBSET_READ as u32,
    libc::PR_CAPBSET_DROP as u32,
    libc::PR_GET_SECUREBITS as u32,
    libc::PR_SET_SECUREBITS as u32,
    libc::PR_SET_TIMERSLACK as u32,
    libc::PR_GET_TIMERSLACK as u32,
    libc::PR_SET_NO_NEW_PRIVS as u32,
    libc::PR_GET_NO_NEW_PRIVS as u32,
    libc::PR_SET_CHILD_SUBREAPER as u32,
    libc::PR_GET_CHILD_SUBREAPER as u32,
    libc::PR_CAP_AMBIENT as u32,
];

/// What no monitor does after its start.
const NEVER: &[c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_open_by_handle_at,
];

#[derive(Debug, Clone, Copy)]
enum Condition {
    /// None of these bits is set.
    WithoutBits(u32),
    OneOf(&'static [u32]),
    /// A request of KVM, of terminals or of sockets, but for those that reach beyond the caller's terminal.
    Ioctl,
}

/// Requests that inject input (TIOCSTI, TIOCLINUX) or take the console's output (TIOCCONS).
const IOCTL_REFUSED: [u32; 3] = [0x5412, 0x541c, 0x541d];
/// The letters of KVM's, of terminals' and of sockets' requests, in bits 8 to 15.
const IOCTL_LETTERS: [u32; 3] = [0xae00, 0x5400, 0x8900];

/// Puts all threads of this process under the filter, for good. Takes CAP_SYS_ADMIN or
/// no_new_privs.
pub fn install() -> Result<(), SeccompError> {
    const SET_MODE_FILTER: u32 = 1;
    const TSYNC: u32 = 1;
    let filter = filter::filter();
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads `len` instructions, which live until the end of this function.
    let thread =
        check(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, TSYNC, &program) })
            .map_err(SeccompError::Install)?;
    if thread == 0 {
        Ok(())
    } else {
        Err(SeccompError::Thread(thread))
    }
}
