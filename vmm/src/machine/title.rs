//! What ps(1) shows of this process, on the host and in the container: the program's name and its arguments,
//! not the monitor's.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};

use crate::errno::{check, check_fd, Errno};

/// `struct prctl_mm_map` (linux/prctl.h).
#[derive(Debug)]
#[repr(C)]
struct Map {
    start_code: u64,
    end_code: u64,
    start_data: u64,
    end_data: u64,
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    arg_start: u64,
    arg_end: u64,
    env_start: u64,
    env_end: u64,
    /// No change.
    auxv: u64,
    auxv_size: u32,
    /// -1: no change.
    exe_fd: u32,
}

/// Names this process, whose only thread calls, as execve(2) would.
///
/// `procfs`: a procfs' root directory. A kernel without CONFIG_CHECKPOINT_RESTORE shows the monitor's arguments.
pub fn set(path: &CStr, arguments: &[CString], procfs: impl AsFd) -> Result<(), Errno> {
    let name = path.to_bytes_with_nul().rsplit(|byte| *byte == b'/').next();
    // SAFETY: the name ends with the path's NUL.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.unwrap_or(b"\0").as_ptr()) })?;
    match set_arguments(arguments, procfs) {
        Err(Errno(libc::EINVAL)) => Ok(()),
        result => result,
    }
}

fn set_arguments(arguments: &[CString], procfs: impl AsFd) -> Result<(), Errno> {
    let text: Vec<u8> = arguments
        .iter()
        .flat_map(|argument| argument.as_bytes_with_nul())
        .copied()
        .collect();
    let map = map(&read_stat(procfs)?, text.leak()).ok_or(Errno(libc::EIO))?;
    let bytes = size_of::<Map>();
    // SAFETY: the kernel reads `bytes` bytes of `map`; the new arguments are never freed, and all that the
    // process itself depends on (its break) is as it was.
    check(unsafe {
        libc::prctl(
            libc::PR_SET_MM,
            libc::PR_SET_MM_MAP,
            &raw const map,
            bytes,
            0,
        )
    })?;
    Ok(())
}

fn read_stat(procfs: impl AsFd) -> Result<String, Errno> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    let directory = procfs.as_fd().as_raw_fd();
    // SAFETY: the name is a C string.
    let file = check_fd(unsafe { libc::openat(directory, c"self/stat".as_ptr(), flags) })?;
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The process's map as proc_pid_stat(5) has it, but for the arguments.
fn map(stat: &str, arguments: &[u8]) -> Option<Map> {
    // The name, which is the second field, can contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<u64> = rest
        .split_ascii_whitespace()
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let field = |number: usize| fields.get(number - 3).copied();
    // SAFETY: an impossible break changes nothing.
    let brk = unsafe { libc::syscall(libc::SYS_brk, 0) } as u64;
    let arg_start = arguments.as_ptr() as u64;
    Some(Map {
        start_code: field(26)?,
        end_code: field(27)?,
        start_data: field(45)?,
        end_data: field(46)?,
        start_brk: field(47)?,
        brk,
        start_stack: field(28)?,
        arg_start,
        arg_end: arg_start + arguments.len() as u64,
        env_start: field(50)?,
        env_end: field(51)?,
        auxv: 0,
        auxv_size: 0,
        exe_fd: u32::MAX,
    })
}
