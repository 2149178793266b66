//! Device rules of cgroup v2: a BPF program (BPF_PROG_TYPE_CGROUP_DEVICE) made from the plan's list.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use crate::errno::{check, check_fd, Errno};
use crate::plan::{DeviceFilter, DeviceRule};

#[derive(Debug, thiserror::Error)]
pub enum DeviceFilterError {
    #[error("device rule: type {0:?} is none of a, b and c")]
    Kind(char),
    #[error("device rule: access {0:?} is none of r, w and m")]
    Access(char),
    #[error("open {}: {error}", path.display())]
    Directory { path: PathBuf, error: io::Error },
    #[error("unable to load the device filter: {0}")]
    Load(Errno),
    #[error("unable to attach the device filter to {}: {errno}", path.display())]
    Attach { path: PathBuf, errno: Errno },
}

/// Attaches the rules to the control group, beside those of its ancestors.
pub fn attach(filter: &DeviceFilter) -> Result<(), DeviceFilterError> {
    let path = || filter.directory.clone();
    let directory =
        File::open(&filter.directory).map_err(|error| DeviceFilterError::Directory {
            path: path(),
            error,
        })?;
    let program = load(&program(&filter.rules)?).map_err(DeviceFilterError::Load)?;
    // struct { target_fd, attach_bpf_fd, attach_type, attach_flags, replace_bpf_fd } of union
    // bpf_attr (<linux/bpf.h>).
    const ALLOW_MULTI: u32 = 2;
    const CGROUP_DEVICE: u32 = 6;
    let attributes = [
        directory.as_raw_fd() as u32,
        program.as_raw_fd() as u32,
        CGROUP_DEVICE,
        ALLOW_MULTI,
        0,
    ];
    bpf(PROG_ATTACH, &attributes).map_err(|errno| DeviceFilterError::Attach {
        path: path(),
        errno,
    })?;
    Ok(())
}

const PROG_LOAD: u32 = 5;
const PROG_ATTACH: u32 = 8;

fn bpf<T>(command: u32, attributes: &T) -> Result<i64, Errno> {
    // SAFETY: the kernel reads the attributes for their size; they hold integers, and pointers to
    // memory that the callers keep during the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    })
}

fn load(program: &[Instruction]) -> Result<OwnedFd, Errno> {
    #[repr(C)]
    struct Attributes {
        kind: u32,
        count: u32,
        instructions: *const Instruction,
        licence: *const libc::c_char,
        log_level: u32,
        log_size: u32,
        log: u64,
    }
    const CGROUP_DEVICE: u32 = 15;
    let attributes = Attributes {
        kind: CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| Errno(libc::E2BIG))?,
        instructions: program.as_ptr(),
        licence: c"Apache-2.0".as_ptr(),
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    check_fd(bpf(PROG_LOAD, &attributes)?)
}

/// `struct bpf_insn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Instruction {
    code: u8,
    /// Destination in the low half, source in the high one.
    registers: u8,
    offset: i16,
    immediate: i32,
}

const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOVE: u8 = 0xbc; // BPF_ALU | BPF_MOV | BPF_X
const MOVE_CONSTANT: u8 = 0xb4; // BPF_ALU | BPF_MOV | BPF_K
const AND: u8 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const SHIFT_RIGHT: u8 = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const JUMP_NOT_EQUAL: u8 = 0x56; // BPF_JMP32 | BPF_JNE | BPF_K
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT

/// Registers: the result, the context, and what it holds.
const R0: u8 = 0;
const CONTEXT: u8 = 1;
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: u32) -> Instruction {
    Instruction {
        code,
        registers: to | from << 4,
        offset,
        immediate: immediate as i32,
    }
}

/// The program: 1 allows, 0 denies. The last rule that matches decides, so they are looked at from
/// the end, and the first match returns.
///
/// A rule about some kinds of access matches only an access that is wholly among them.
fn program(rules: &[DeviceRule]) -> Result<Vec<Instruction>, DeviceFilterError> {
    // struct bpf_cgroup_dev_ctx { access_type = access << 16 | type, major, minor }
    let mut program = vec![
        instruction(LOAD_WORD, TYPE, CONTEXT, 0, 0),
        instruction(MOVE, ACCESS, TYPE, 0, 0),
        instruction(AND, TYPE, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let rule = compile(rule)?;
        let is_last = rule
            .iter()
            .all(|instruction| instruction.code != JUMP_NOT_EQUAL);
        program.extend(rule);
        if is_last {
            // Nothing gets past it, and the verifier refuses what cannot be reached.
            return Ok(program);
        }
    }
    program.extend([
        instruction(MOVE_CONSTANT, R0, 0, 0, 0),
        instruction(EXIT, 0, 0, 0, 0),
    ]);
    Ok(program)
}

fn compile(rule: &DeviceRule) -> Result<Vec<Instruction>, DeviceFilterError> {
    const ALL_ACCESS: u32 = 7;
    let kind = match rule.kind {
        'a' => None,
        'b' => Some(1),
        'c' => Some(2),
        kind => return Err(DeviceFilterError::Kind(kind)),
    };
    let access = rule
        .access
        .chars()
        .try_fold(0, |access, letter| match letter {
            'm' => Ok(access | 1),
            'r' => Ok(access | 2),
            'w' => Ok(access | 4),
            letter => Err(DeviceFilterError::Access(letter)),
        })?;
    // Each condition is a list of instructions whose last jumps to the next rule if it fails.
    let mut conditions = Vec::new();
    if let Some(kind) = kind {
        conditions.push(instruction(JUMP_NOT_EQUAL, TYPE, 0, 0, kind));
    }
    // `a` is the rule for everything, as in cgroup v1's devices.allow.
    if access != ALL_ACCESS && !(kind.is_none() && access == 0) {
        conditions.push(instruction(MOVE, R0, ACCESS, 0, 0));
        conditions.push(instruction(AND, R0, 0, 0, !access & ALL_ACCESS));
        conditions.push(instruction(JUMP_NOT_EQUAL, R0, 0, 0, 0));
    }
    for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
        if let Some(number) = number {
            conditions.push(instruction(JUMP_NOT_EQUAL, register, 0, 0, number));
        }
    }
    let verdict = [
        instruction(MOVE_CONSTANT, R0, 0, 0, u32::from(rule.allow)),
        instruction(EXIT, 0, 0, 0, 0),
    ];
    let length = conditions.len() + verdict.len();
    for (place, condition) in conditions.iter_mut().enumerate() {
        if condition.code == JUMP_NOT_EQUAL {
            // At most eight instructions.
            condition.offset = (length - place - 1) as i16;
        }
    }
    conditions.extend(verdict);
    Ok(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(
        allow: bool,
        kind: char,
        major: Option<u32>,
        minor: Option<u32>,
        access: &str,
    ) -> DeviceRule {
        DeviceRule {
            allow,
            kind,
            major,
            minor,
            access: access.to_owned(),
        }
    }

    /// An interpreter of the few instructions above.
    fn run(program: &[Instruction], kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0_u32; 16];
        let mut place = 0_usize;
        loop {
            let Instruction {
                code,
                registers: names,
                offset,
                immediate,
            } = program[place];
            let (to, from) = (usize::from(names & 15), usize::from(names >> 4));
            let immediate = immediate as u32;
            place += 1;
            match code {
                LOAD_WORD => registers[to] = context[offset as usize / 4],
                MOVE => registers[to] = registers[from],
                MOVE_CONSTANT => registers[to] = immediate,
                AND => registers[to] &= immediate,
                SHIFT_RIGHT => registers[to] >>= immediate,
                JUMP_NOT_EQUAL if registers[to] != immediate => place += offset as usize,
                JUMP_NOT_EQUAL => {}
                EXIT => return registers[usize::from(R0)] == 1,
                code => panic!("instruction {code:#x}"),
            }
        }
    }

    const BLOCK: u32 = 1;
    const CHARACTER: u32 = 2;
    const READ: u32 = 2;
    const WRITE: u32 = 4;
    const MAKE: u32 = 1;

    fn docker_like() -> Vec<Instruction> {
        program(&[
            rule(false, 'a', None, None, "rwm"),
            rule(true, 'c', None, None, "m"),
            rule(true, 'c', Some(1), Some(3), "rwm"),
            rule(true, 'b', Some(8), None, "r"),
            rule(false, 'b', Some(8), Some(2), "rwm"),
        ])
        .unwrap()
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        let program = docker_like();
        assert!(run(&program, CHARACTER, READ | WRITE, 1, 3));
        assert!(run(&program, CHARACTER, MAKE, 9, 9));
        assert!(!run(&program, CHARACTER, READ, 9, 9));
        assert!(!run(&program, CHARACTER, READ | MAKE, 9, 9));
        assert!(run(&program, BLOCK, READ, 8, 1));
        assert!(!run(&program, BLOCK, WRITE, 8, 1));
        assert!(!run(&program, BLOCK, READ, 8, 2));
        assert!(!run(&program, BLOCK, MAKE, 1, 3));
    }

    #[test]
    fn without_a_rule_access_is_denied() {
        assert!(!run(&program(&[]).unwrap(), CHARACTER, READ, 1, 3));
    }

    #[test]
    fn all_is_all() {
        let program = program(&[rule(true, 'a', None, None, "rwm")]).unwrap();
        assert!(run(&program, BLOCK, READ | WRITE | MAKE, 254, 7));
    }

    #[test]
    fn wrong_letters_are_errors() {
        assert!(matches!(
            program(&[rule(true, 'x', None, None, "r")]),
            Err(DeviceFilterError::Kind('x'))
        ));
        assert!(matches!(
            program(&[rule(true, 'c', None, None, "q")]),
            Err(DeviceFilterError::Access('q'))
        ));
    }

    /// The kernel's verifier has the last word, where this machine lets us ask it.
    #[test]
    fn the_kernel_takes_the_program() {
        match load(&docker_like()) {
            Ok(_) | Err(Errno(libc::EPERM | libc::ENOSYS)) => {}
            Err(errno) => panic!("bpf(BPF_PROG_LOAD): {errno}"),
        }
    }
}
