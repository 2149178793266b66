//! The process's title: what /proc/PID/comm, cmdline and environ tell of it, here and on the host, is the
//! program's and not the monitor's (proc(5)). Programs write over their arguments to say what they do: once
//! those stand on the guest's stack, the host reads them there.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::errno::{check, check_fd, Errno};
use crate::portrait::View;

/// `struct prctl_mm_map` of <linux/prctl.h>.
#[repr(C)]
#[derive(Debug, Default, Clone)]
struct MemoryMap {
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
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

/// What the host shows for as long as this process lives.
#[derive(Debug, Default)]
pub struct Title {
    map: MemoryMap,
    /// Whether it is read on the guest's stack.
    on_stack: AtomicBool,
}

impl Title {
    /// `path` is what execve(2) was given, `proc` the root of a procfs.
    pub fn take(
        path: &CStr,
        arguments: &[CString],
        environment: &[CString],
        proc: BorrowedFd,
    ) -> Result<Title, Errno> {
        take_name(path)?;
        let mut text = Vec::new();
        for string in arguments {
            text.extend(string.as_bytes_with_nul());
        }
        let arguments = text.len() as u64;
        for string in environment {
            text.extend(string.as_bytes_with_nul());
        }
        let text: &'static [u8] = text.leak();
        let start = text.as_ptr() as u64;
        let stat = own_stat(proc)?;
        // Numbered as in proc(5).
        let field = |number: usize| stat.get(number - 3).copied().unwrap_or_default();
        let map = MemoryMap {
            start_code: field(26),
            end_code: field(27),
            start_stack: field(28),
            start_data: field(45),
            end_data: field(46),
            start_brk: field(47),
            arg_start: start,
            arg_end: start + arguments,
            env_start: start + arguments,
            env_end: start + text.len() as u64,
            exe_fd: u32::MAX,
            ..MemoryMap::default()
        };
        map.show()?;
        Ok(Title {
            map,
            on_stack: AtomicBool::new(false),
        })
    }

    /// Has the host read it on the guest's stack, once it stands there.
    pub fn follow(&self, guest: &View) {
        if self.on_stack.load(Ordering::Relaxed) {
            return;
        }
        let bytes = self.map.env_end - self.map.arg_start;
        let Some(start) = guest.strings(bytes) else {
            return;
        };
        self.on_stack.store(true, Ordering::Relaxed);
        let at = |address: u64| start + (address - self.map.arg_start);
        let map = MemoryMap {
            arg_start: start,
            arg_end: at(self.map.arg_end),
            env_start: at(self.map.env_start),
            env_end: at(self.map.env_end),
            ..self.map.clone()
        };
        // What it was stays true if the host refuses.
        let _ = map.show();
    }
}

impl MemoryMap {
    fn show(&self) -> Result<(), Errno> {
        // SAFETY: sbrk(3) of nothing tells where the heap ends.
        let brk = unsafe { libc::sbrk(0) } as u64;
        let map = MemoryMap {
            brk,
            ..self.clone()
        };
        // SAFETY: the kernel reads one struct of that size. All addresses but those of the strings, which it
        // reads only, are what they were. Has another thread moved the heap's end meanwhile, the host refuses
        // it the next move, and the allocator maps memory instead.
        let result = check(unsafe {
            libc::prctl(
                libc::PR_SET_MM,
                libc::PR_SET_MM_MAP,
                &raw const map,
                size_of::<MemoryMap>(),
                0,
            )
        });
        match result {
            // A host without CONFIG_CHECKPOINT_RESTORE shows the monitor's arguments.
            Ok(_) | Err(Errno(libc::EINVAL | libc::EPERM)) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

/// The name that a process has from the execution of this file on.
pub fn take_name(path: &CStr) -> Result<(), Errno> {
    let name = path.to_bytes().rsplit(|byte| *byte == b'/').next();
    set_name(name.unwrap_or_default())
}

/// The first 15 bytes of it, as comm of the calling thread.
pub fn set_name(name: &[u8]) -> Result<(), Errno> {
    let mut comm = [0_u8; 16];
    let bytes = name.len().min(comm.len() - 1);
    comm[..bytes].copy_from_slice(&name[..bytes]);
    // SAFETY: the kernel reads a string of at most 16 bytes, with the zero.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, comm.as_ptr(), 0, 0, 0) })?;
    Ok(())
}

/// The numbers of this process's stat, from field 4 on at 1; those that are none are 0.
fn own_stat(proc: BorrowedFd) -> Result<Vec<u64>, Errno> {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string.
    let file = check_fd(unsafe { libc::openat(proc.as_raw_fd(), c"self/stat".as_ptr(), flags) })?;
    let mut text = Vec::new();
    File::from(file)
        .read_to_end(&mut text)
        .map_err(Errno::from)?;
    // The name, field 2, may have any bytes.
    let end = text.iter().rposition(|byte| *byte == b')').unwrap_or(0);
    let fields = String::from_utf8_lossy(text.get(end + 2..).unwrap_or_default()).into_owned();
    let numbers = fields.split_ascii_whitespace();
    Ok(numbers.map(|field| field.parse().unwrap_or(0)).collect())
}
