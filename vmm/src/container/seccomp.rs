//! The monitor's system calls: what it may do to the host from the moment on when it becomes the
//! container's user, whatever a guest makes it do.
//!
//! The list has two parts: the calls that it makes for the guest, which are the `host` rows of
//! [`pinion_abi::calls`], and the [`OWN`] ones below. Some are allowed with some arguments only
//! ([`CHECKED`]). A call of [`NEVER`] can only come from a monitor that a guest has taken over, so
//! it kills; so does a call of another architecture. Anything else, x32 included, is ENOSYS.

use std::collections::BTreeMap;

use libc::{c_long, sock_filter};
use pinion_abi::calls::{Way, CALLS};

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
    (
        libc::SYS_madvise,
        "populating and giving back the guest's memory",
    ),
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
    (libc::SYS_exit, "end of a thread"),
    (libc::SYS_exit_group, "end"),
    (
        libc::SYS_restart_syscall,
        "a wait that a stop has interrupted",
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
        "KVM, and terminals for the guest",
    ),
    (
        libc::SYS_clone,
        0,
        Condition::WithoutBits(NEW_NAMESPACES),
        "threads; clone3(2) hides its flags, so it is ENOSYS",
    ),
    (
        libc::SYS_unshare,
        0,
        Condition::WithoutBits(!(libc::CLONE_FILES as u32)),
        "a thread with a descriptor table of its own",
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

const PRCTL: &[u32] = &[
    libc::PR_SET_PDEATHSIG as u32,
    libc::PR_GET_PDEATHSIG as u32,
    libc::PR_GET_DUMPABLE as u32,
    libc::PR_SET_DUMPABLE as u32,
    libc::PR_GET_KEEPCAPS as u32,
    libc::PR_SET_KEEPCAPS as u32,
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
    /// A request of KVM or of terminals, but for those that reach beyond the caller's terminal.
    Ioctl,
}

/// Requests that inject input (TIOCSTI, TIOCLINUX) or take the console's output (TIOCCONS).
const IOCTL_REFUSED: [u32; 3] = [0x5412, 0x541c, 0x541d];
/// The letters of KVM's and of terminals' requests, in bits 8 to 15.
const IOCTL_LETTERS: [u32; 2] = [0xae00, 0x5400];

/// Puts all threads of this process under the filter, for good. Takes CAP_SYS_ADMIN or
/// no_new_privs.
pub fn install() -> Result<(), SeccompError> {
    const SET_MODE_FILTER: u32 = 1;
    const TSYNC: u32 = 1;
    let filter = filter();
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

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_FROM: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// `struct seccomp_data` (<linux/seccomp.h>): nr, arch, instruction_pointer, args[6].
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

const fn refuse(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

const fn step(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// The whole filter: a search tree over the numbers, since the kernel, to remember the answers that
/// depend on the number alone, runs it once for each when it is installed.
fn filter() -> Vec<sock_filter> {
    let mut filter = vec![
        step(LOAD, ARCHITECTURE),
        jump(JUMP_EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        step(RETURN, KILL),
        step(LOAD, NUMBER),
    ];
    filter.extend(tree(&runs()));
    filter
}

/// What is done about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Return(u32),
    /// It depends on an argument: an index of [`CHECKED`].
    Check(usize),
}

/// Verdicts by number, each with the first number that it is for, up to that of the next.
fn runs() -> Vec<(u32, Verdict)> {
    let mut verdicts = BTreeMap::new();
    for call in CALLS {
        if matches!(call.way, Way::Host(..)) {
            verdicts.insert(call.number, Verdict::Return(ALLOW));
        }
    }
    for (number, _) in OWN {
        verdicts.insert(*number as u32, Verdict::Return(ALLOW));
    }
    for (index, (number, ..)) in CHECKED.iter().enumerate() {
        verdicts.insert(*number as u32, Verdict::Check(index));
    }
    for number in NEVER {
        verdicts.insert(*number as u32, Verdict::Return(KILL));
    }

    const UNKNOWN: Verdict = Verdict::Return(refuse(libc::ENOSYS));
    let mut runs = vec![(0, UNKNOWN)];
    let mut next = 0;
    for (number, verdict) in verdicts {
        if number > next {
            push_run(&mut runs, next, UNKNOWN);
        }
        push_run(&mut runs, number, verdict);
        next = number + 1;
    }
    push_run(&mut runs, next, UNKNOWN);
    runs
}

fn push_run(runs: &mut Vec<(u32, Verdict)>, first: u32, verdict: Verdict) {
    match runs.last_mut() {
        Some((_, last)) if *last == verdict => {}
        Some((start, last)) if *start == first => *last = verdict,
        _ => runs.push((first, verdict)),
    }
}

fn tree(runs: &[(u32, Verdict)]) -> Vec<sock_filter> {
    match runs {
        [] => Vec::new(),
        [(_, Verdict::Return(value))] => vec![step(RETURN, *value)],
        [(_, Verdict::Check(index))] => {
            let (_, argument, condition, _) = CHECKED[*index];
            checked(argument, condition)
        }
        _ => {
            let (below, from) = runs.split_at(runs.len() / 2);
            let (first, below, from) = (from[0].0, tree(below), tree(from));
            let mut node = match u8::try_from(below.len()) {
                Ok(length) => vec![jump(JUMP_FROM, first, length, 0)],
                // Only an unconditional jump reaches so far.
                Err(_) => vec![jump(JUMP_FROM, first, 0, 1), step(JUMP, below.len() as u32)],
            };
            node.extend(below);
            node.extend(from);
            node
        }
    }
}

/// Returns a verdict on an argument's low half, which is all that the kernel looks at in the calls
/// above.
fn checked(argument: u32, condition: Condition) -> Vec<sock_filter> {
    let mut body = vec![step(LOAD, ARGUMENTS + 8 * argument)];
    match condition {
        Condition::WithoutBits(bits) => {
            body.push(jump(JUMP_SET, bits, 0, 1));
            body.extend([step(RETURN, refuse(libc::EPERM)), step(RETURN, ALLOW)]);
        }
        Condition::OneOf(values) => {
            for value in values {
                body.extend([jump(JUMP_EQUAL, *value, 0, 1), step(RETURN, ALLOW)]);
            }
            body.push(step(RETURN, refuse(libc::EINVAL)));
        }
        Condition::Ioctl => {
            for request in IOCTL_REFUSED {
                body.extend([
                    jump(JUMP_EQUAL, request, 0, 1),
                    step(RETURN, refuse(libc::EPERM)),
                ]);
            }
            body.push(step(AND, 0xff00));
            for letter in IOCTL_LETTERS {
                body.extend([jump(JUMP_EQUAL, letter, 0, 1), step(RETURN, ALLOW)]);
            }
            body.push(step(RETURN, refuse(libc::ENOTTY)));
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    const I386: u32 = 0x4000_0003;

    /// An interpreter of the few instructions above.
    fn run(filter: &[sock_filter], architecture: u32, number: u32, args: [u64; 6]) -> u32 {
        let mut accumulator = 0;
        let mut place = 0;
        loop {
            let sock_filter { code, jt, jf, k } = filter[place];
            place += 1;
            match code {
                LOAD => {
                    accumulator = match k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        offset => args[(offset - ARGUMENTS) as usize / 8] as u32,
                    }
                }
                AND => accumulator &= k,
                JUMP_EQUAL => place += usize::from(if accumulator == k { jt } else { jf }),
                JUMP_FROM => place += usize::from(if accumulator >= k { jt } else { jf }),
                JUMP => place += k as usize,
                JUMP_SET => place += usize::from(if accumulator & k != 0 { jt } else { jf }),
                RETURN => return k,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    fn verdict(number: c_long, first: u64, second: u64) -> u32 {
        run(
            &filter(),
            AUDIT_ARCH_X86_64,
            number as u32,
            [first, second, 0, 0, 0, 0],
        )
    }

    #[test]
    fn what_is_listed_is_allowed_and_nothing_else() {
        for (number, _) in OWN {
            assert_eq!(verdict(*number, 0, 0), ALLOW, "{number}");
        }
        for number in NEVER {
            assert_eq!(verdict(*number, 0, 0), KILL, "{number}");
        }
        for call in CALLS
            .iter()
            .filter(|call| matches!(call.way, Way::Host(..)))
        {
            let is_checked = CHECKED
                .iter()
                .any(|(number, ..)| *number == c_long::from(call.number));
            assert!(
                is_checked || verdict(call.number.into(), 0, 0) == ALLOW,
                "{}",
                call.name
            );
        }
        assert_eq!(verdict(libc::SYS_clone3, 0, 0), refuse(libc::ENOSYS));
        assert_eq!(verdict(libc::SYS_execve, 0, 0), refuse(libc::ENOSYS));
        assert_eq!(verdict(9999, 0, 0), refuse(libc::ENOSYS));
    }

    /// A row of the guest's table would otherwise open what this file closes.
    #[test]
    fn no_call_is_in_two_lists() {
        for call in CALLS
            .iter()
            .filter(|call| matches!(call.way, Way::Host(..)))
        {
            assert!(!NEVER.contains(&call.number.into()), "{}", call.name);
        }
        for (number, ..) in CHECKED {
            assert!(
                !OWN.iter().any(|(own, _)| own == number) && !NEVER.contains(number),
                "{number}"
            );
        }
    }

    #[test]
    fn other_architectures_kill_and_x32_is_unknown() {
        assert_eq!(run(&filter(), I386, libc::SYS_read as u32, [0; 6]), KILL);
        assert_eq!(
            verdict(libc::SYS_read | 0x4000_0000, 0, 0),
            refuse(libc::ENOSYS)
        );
    }

    #[test]
    fn arguments_are_looked_at() {
        let thread = 0x3d_0f00;
        assert_eq!(verdict(libc::SYS_clone, thread, 0), ALLOW);
        assert_eq!(
            verdict(libc::SYS_clone, libc::CLONE_NEWUSER as u64 | thread, 0),
            refuse(libc::EPERM)
        );
        assert_eq!(
            verdict(libc::SYS_unshare, libc::CLONE_FILES as u64, 0),
            ALLOW
        );
        assert_eq!(
            verdict(libc::SYS_unshare, libc::CLONE_NEWNS as u64, 0),
            refuse(libc::EPERM)
        );
        let kvm_run = 0xae80;
        assert_eq!(verdict(libc::SYS_ioctl, 9, kvm_run), ALLOW);
        assert_eq!(verdict(libc::SYS_ioctl, 9, 0x5401), ALLOW);
        assert_eq!(verdict(libc::SYS_ioctl, 9, 0x5412), refuse(libc::EPERM));
        assert_eq!(verdict(libc::SYS_ioctl, 9, 0x1260), refuse(libc::ENOTTY));
        assert_eq!(verdict(libc::SYS_prctl, libc::PR_SET_NAME as u64, 0), ALLOW);
        assert_eq!(
            verdict(libc::SYS_prctl, libc::PR_SET_MM as u64, 0),
            refuse(libc::EINVAL)
        );
    }

    /// The verdict of every number is that of the lists, wherever the tree has its forks.
    #[test]
    fn the_tree_finds_every_number() {
        for number in 0..1024 {
            let call = c_long::from(number);
            let checked = CHECKED.iter().any(|(known, ..)| *known == call);
            let of_guest = CALLS
                .iter()
                .any(|row| row.number == number && matches!(row.way, Way::Host(..)));
            let expected = if NEVER.contains(&call) {
                KILL
            } else if of_guest || OWN.iter().any(|(own, _)| *own == call) {
                ALLOW
            } else {
                refuse(libc::ENOSYS)
            };
            assert!(checked || verdict(call, 0, 0) == expected, "{number}");
        }
    }
}
