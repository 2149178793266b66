//! The lists as a BPF program (seccomp(2), <linux/filter.h>).

use std::collections::BTreeMap;

use libc::sock_filter;
use pinion_abi::calls::CALLS;

use super::{Condition, CHECKED, IOCTL_LETTERS, IOCTL_REFUSED, NEVER, OWN};

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
pub(super) fn filter() -> Vec<sock_filter> {
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
        if call.host().is_some() {
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
    use libc::c_long;

    use super::*;
    use pinion_abi::calls::Call;

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

    /// Calls that the monitor answers, and never makes.
    const ANSWERED: [&str; 3] = ["process_vm_readv", "process_vm_writev", "kcmp"];

    fn made() -> impl Iterator<Item = &'static Call> {
        let made = |call: &&Call| call.host().is_some() && !ANSWERED.contains(&call.name);
        CALLS.iter().filter(made)
    }

    #[test]
    fn what_is_listed_is_allowed_and_nothing_else() {
        for (number, _) in OWN {
            assert_eq!(verdict(*number, 0, 0), ALLOW, "{number}");
        }
        for number in NEVER {
            assert_eq!(verdict(*number, 0, 0), KILL, "{number}");
        }
        for call in made() {
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
        for call in made() {
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
            verdict(libc::SYS_prctl, libc::PR_SET_TSC as u64, 0),
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
                .any(|row| row.number == number && row.host().is_some());
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
