//! The key: a file through which a process gets at what set-user-ID programs and file capabilities give.
//!
//! Only the host's execve(2) raises a process's rights, and only by the file that it executes. So a
//! container in which programs may gain rights has a small program whose file has all capabilities; the
//! host limits them to the process's bounding set, refuses them under no_new_privs, and keeps its ids. It
//! lies in a file system of its own beneath the container's root, which no path leads to; monitors hold a
//! descriptor. Everybody who has taken a monitor over can execute it, with whatever arguments. So it does
//! one thing: it executes the container's monitor, known by device and inode, and hands it what the init
//! wrote into the key when it made it ([`Settings`]). That monitor ([`super::raised`]) trusts nothing
//! else, and takes what the program's file gives and no more.

use std::arch::global_asm;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use serde::{Deserialize, Serialize};

use super::rights;
use crate::container::fds;
use crate::container::mount_api::{new_file_system, Tree, ATTR_RDONLY};
use crate::container::procfs::Procfs;
use crate::container::rooted;
use crate::errno::{check, check_fd, Errno};
use crate::machine::Factory;

// _start of the key. Arguments: the number of the monitor's descriptor, and one that is passed on. Ends
// with status 127 if that is not the monitor. Behind the code stand the monitor's device and inode, then
// the settings as a C string.
global_asm!(
    ".pushsection .rodata.pinion_key, \"a\", @progbits",
    ".globl pinion_key_start, pinion_key_end",
    "pinion_key_start:",
    "mov r12, rsp",
    "sub rsp, 1024",
    // ebx: the monitor's descriptor, from decimal digits.
    "mov rdi, [r12 + 16]",
    "xor ebx, ebx",
    "2: movzx eax, byte ptr [rdi]",
    "test al, al",
    "jz 3f",
    "sub eax, 48",
    "cmp eax, 9",
    "ja 9f",
    "imul ebx, ebx, 10",
    "add ebx, eax",
    "inc rdi",
    "jmp 2b",
    // fstat(2): st_dev at 0, st_ino at 8.
    "3: mov eax, 5",
    "mov edi, ebx",
    "mov rsi, rsp",
    "syscall",
    "test eax, eax",
    "jnz 9f",
    "mov rax, [rsp]",
    "cmp rax, [rip + pinion_key_end]",
    "jne 9f",
    "mov rax, [rsp + 8]",
    "cmp rax, [rip + pinion_key_end + 8]",
    "jne 9f",
    // capget(2): the header at 0; effective, permitted, inheritable at 16, twice.
    "mov dword ptr [rsp], 0x20080522",
    "mov dword ptr [rsp + 4], 0",
    "mov eax, 125",
    "mov rdi, rsp",
    "lea rsi, [rsp + 16]",
    "syscall",
    "test eax, eax",
    "jnz 9f",
    // r13: inheritable, r14: permitted.
    "mov r13d, [rsp + 36]",
    "shl r13, 32",
    "mov eax, [rsp + 24]",
    "or r13, rax",
    "mov r14d, [rsp + 32]",
    "shl r14, 32",
    "mov eax, [rsp + 20]",
    "or r14, rax",
    // capset(2): what is permitted is inheritable too, so that it may be ambient.
    "mov [rsp + 16], eax",
    "or [rsp + 24], eax",
    "mov eax, [rsp + 32]",
    "mov [rsp + 28], eax",
    "or [rsp + 36], eax",
    "mov eax, 126",
    "mov rdi, rsp",
    "lea rsi, [rsp + 16]",
    "syscall",
    // prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number): so the monitor begins with it.
    "xor r15d, r15d",
    "4: bt r14, r15",
    "jnc 5f",
    "mov eax, 157",
    "mov edi, 47",
    "mov esi, 2",
    "mov edx, r15d",
    "xor r10d, r10d",
    "xor r8d, r8d",
    "syscall",
    "5: inc r15d",
    "cmp r15d, 64",
    "jb 4b",
    // At 128: what was inheritable, in sixteen hexadecimal digits.
    "lea rdi, [rsp + 144]",
    "mov byte ptr [rdi], 0",
    "mov ecx, 16",
    "6: mov eax, r13d",
    "and eax, 15",
    "add eax, 48",
    "cmp eax, 57",
    "jbe 7f",
    "add eax, 39",
    "7: dec rdi",
    "mov [rdi], al",
    "shr r13, 4",
    "dec ecx",
    "jnz 6b",
    // At 64: "raised"; at 72: no path; at 192: the arguments; no environment.
    "mov rax, 0x646573696172",
    "mov [rsp + 64], rax",
    "mov qword ptr [rsp + 72], 0",
    "lea rax, [rsp + 64]",
    "mov [rsp + 192], rax",
    "mov [rsp + 200], rax",
    "mov rax, [r12 + 24]",
    "mov [rsp + 208], rax",
    "lea rax, [rsp + 128]",
    "mov [rsp + 216], rax",
    "lea rax, [rip + pinion_key_end + 16]",
    "mov [rsp + 224], rax",
    "mov qword ptr [rsp + 232], 0",
    // execveat(2), AT_EMPTY_PATH.
    "mov eax, 322",
    "mov edi, ebx",
    "lea rsi, [rsp + 72]",
    "lea rdx, [rsp + 192]",
    "lea r10, [rsp + 232]",
    "mov r8d, 0x1000",
    "syscall",
    "9: mov edi, 127",
    "mov eax, 231",
    "syscall",
    "ud2",
    "pinion_key_end:",
    ".popsection",
);

extern "C" {
    static pinion_key_start: u8;
    static pinion_key_end: u8;
}

/// The word by which the key has the monitor begin ([`super::raised`]).
pub const RAISED: &str = "raised";
const NAME: &std::ffi::CStr = c"pinion-key";
/// Linux takes no longer argument (MAX_ARG_STRLEN), and what else the file has is short.
const MOST: usize = 128 << 10;
/// The ELF file's header and two program headers.
const HEADERS: usize = 64 + 2 * 56;

/// A file of the host: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId(u64, u64);

impl FileId {
    pub fn of(file: impl AsFd) -> Result<FileId, Errno> {
        let stat = rooted::stat(file)?;
        Ok(FileId(stat.st_dev, stat.st_ino))
    }
}

/// What holds for all programs of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The key itself.
    pub key: FileId,
    pub monitor: FileId,
    pub kernel: FileId,
    pub missing: Option<FileId>,
    pub memory: Option<u64>,
    pub vcpus: u32,
    /// The words of [`pinion_abi::seccomp::Filters`].
    pub filters: Vec<u64>,
    pub verbose: bool,
}

impl Settings {
    pub fn new(
        key: FileId,
        factory: &Factory,
        filters: Vec<u64>,
        verbose: bool,
    ) -> Result<Settings, Errno> {
        let limits = factory.limits();
        Ok(Settings {
            key,
            monitor: FileId::of(factory.monitor())?,
            kernel: FileId::of(factory.kernel())?,
            missing: factory.missing().map(FileId::of).transpose()?,
            memory: limits.memory,
            vcpus: limits.vcpus,
            filters,
            verbose,
        })
    }
}

/// The key that a process holds, which need not let itself be trusted: [`settings`] says.
pub fn held_by(pid: i32, pidfd: impl AsFd) -> Option<OwnedFd> {
    let procfs = File::options()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open("/proc");
    let procfs = Procfs::from(OwnedFd::from(procfs.ok()?));
    let name = format!("/{}", NAME.to_str().ok()?);
    fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .find_map(|entry| {
            let entry = entry.ok()?;
            let number: i32 = entry.file_name().to_str()?.parse().ok()?;
            (fs::read_link(entry.path()).ok()?.as_os_str() == name.as_str()).then_some(())?;
            // SAFETY: the call takes numbers.
            let key = check_fd(unsafe {
                libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_fd().as_raw_fd(), number, 0)
            });
            let key = fds::make_private(key.ok()?).ok()?;
            settings(&key, &procfs).map(|_| key)
        })
}

/// A file system with the key, attached nowhere; `None` if the settings are too long for it.
pub fn file_system(
    factory: &Factory,
    filters: Vec<u64>,
    verbose: bool,
) -> Result<Option<Tree>, Errno> {
    let tree = new_file_system(c"tmpfs", c"pinion", 0, "mode=555,size=1m")?;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    // SAFETY: the name is a C string.
    let file =
        check_fd(unsafe { libc::openat(tree.as_fd().as_raw_fd(), NAME.as_ptr(), flags, 0o700) })?;
    let mut file = File::from(file);
    let settings = Settings::new(FileId::of(&file)?, factory, filters, verbose)?;
    let Some(bytes) = image(&settings) else {
        return Ok(None);
    };
    file.write_all(&bytes)?;
    // SAFETY: the call takes numbers.
    check(unsafe { libc::fchmod(file.as_raw_fd(), 0o555) })?;
    rights::set_all(&file)?;
    drop(file);
    tree.change(ATTR_RDONLY, 0, false)?;
    Ok(Some(tree))
}

/// The key of a file system that is attached by now (on a detached one it gives nothing): private.
pub fn open(tree: &Tree) -> Result<OwnedFd, Errno> {
    let flags = libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    // SAFETY: the name is a C string.
    let file = check_fd(unsafe { libc::openat(tree.as_fd().as_raw_fd(), NAME.as_ptr(), flags) })?;
    fds::make_private(file)
}

/// What stands in a key.
pub fn settings(key: &OwnedFd, procfs: &Procfs) -> Option<Settings> {
    let file = procfs.reopen(key, libc::O_RDONLY).ok()?;
    let mut bytes = Vec::new();
    let file = File::from(fds::make_private(file).ok()?);
    file.take(MOST as u64).read_to_end(&mut bytes).ok()?;
    let text = bytes
        .get(HEADERS + code().len() + 16..)?
        .strip_suffix(&[0])?;
    let settings: Settings = serde_json::from_slice(text).ok()?;
    // As this monitor would write it.
    (image(&settings)? == bytes && FileId::of(key).ok()? == settings.key).then_some(settings)
}

fn code() -> &'static [u8] {
    // SAFETY: the symbols are the ends of the code above, which is constant.
    unsafe {
        let (start, end) = (&raw const pinion_key_start, &raw const pinion_key_end);
        std::slice::from_raw_parts(start, end.offset_from(start) as usize)
    }
}

/// An ELF file with one segment, all of it.
fn image(settings: &Settings) -> Option<Vec<u8>> {
    const BASE: u64 = 0x40_0000;
    const LOAD: u32 = 1;
    const STACK: u32 = 0x6474_e551;
    const READ_EXECUTE: u32 = 5;
    const READ_WRITE: u32 = 6;
    let text = serde_json::to_vec(settings).ok()?;
    let code = code();
    let bytes = HEADERS + code.len() + 16 + text.len() + 1;
    if bytes > MOST {
        return None;
    }
    let mut image = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |image: &mut Vec<u8>, value: u16| image.extend(value.to_le_bytes());
    let word = |image: &mut Vec<u8>, value: u32| image.extend(value.to_le_bytes());
    let long = |image: &mut Vec<u8>, value: u64| image.extend(value.to_le_bytes());
    // ET_EXEC for x86-64.
    half(&mut image, 2);
    half(&mut image, 62);
    word(&mut image, 1);
    long(&mut image, BASE + HEADERS as u64);
    long(&mut image, 64);
    long(&mut image, 0);
    word(&mut image, 0);
    for value in [64, 56, 2, 0, 0, 0] {
        half(&mut image, value);
    }
    for (kind, flags, at, length) in [
        (LOAD, READ_EXECUTE, BASE, bytes as u64),
        (STACK, READ_WRITE, 0, 0),
    ] {
        word(&mut image, kind);
        word(&mut image, flags);
        for value in [0, at, at, length, length, 0x1000] {
            long(&mut image, value);
        }
    }
    image.extend(code);
    long(&mut image, settings.monitor.0);
    long(&mut image, settings.monitor.1);
    image.extend(text);
    image.push(0);
    Some(image)
}
