//! System calls of the host, made without libc's errno: results are the kernel's own.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use pinion_abi::Errno;

/// The result of a call made for the guest.
pub(super) type Outcome = Result<i64, Failure>;

/// Why a call made for the guest has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Errno(Errno),
    /// It would block, and was not done.
    WouldBlock,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Errno(errno)
    }
}

/// Makes a system call.
///
/// # Safety
/// Whatever the call reads or writes by pointer is memory of this process that it may read or
/// write, or memory of the guest, of which the caller holds no reference.
pub(super) unsafe fn call(number: i64, args: [u64; 6]) -> Result<i64, Errno> {
    let result: i64;
    // SAFETY: the caller's contract; the kernel keeps all registers but rax, rcx and r11.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    if (-4095..0).contains(&result) {
        Err(Errno(-result as i32))
    } else {
        Ok(result)
    }
}

/// As the kernel takes a descriptor: the low 32 bits, signed.
pub(super) fn word(fd: RawFd) -> u64 {
    fd as i64 as u64
}

pub(super) fn pointer(text: &CStr) -> u64 {
    text.as_ptr() as u64
}

/// The empty path, for calls on a descriptor itself (AT_EMPTY_PATH).
pub(super) const EMPTY: &CStr = c"";

/// struct open_how (openat2(2)).
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OpenHow {
    pub flags: u64,
    pub mode: u64,
    pub resolve: u64,
}

/// openat2(2): the number of the new descriptor.
pub(super) fn openat2(dir: RawFd, path: &CStr, how: OpenHow) -> Result<RawFd, Errno> {
    let bytes = size_of::<OpenHow>() as u64;
    let how = &raw const how as u64;
    // SAFETY: path and structure outlive the call, which only reads them.
    let fd = unsafe {
        call(
            libc::SYS_openat2,
            [word(dir), pointer(path), how, bytes, 0, 0],
        )
    }?;
    Ok(fd as RawFd)
}

/// openat(2): the number of the new descriptor.
pub(super) fn openat(dir: RawFd, path: &CStr, flags: i32, mode: u32) -> Result<RawFd, Errno> {
    let args = [word(dir), pointer(path), flags as u64, mode.into(), 0, 0];
    // SAFETY: the path outlives the call, which only reads it.
    Ok(unsafe { call(libc::SYS_openat, args) }? as RawFd)
}

/// Takes a descriptor that the calling code has just made for itself.
pub(super) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: by this module's convention the number comes straight from the system call that
    // made it, and the guest cannot name it: see `descriptors`.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

pub(super) fn close(fd: RawFd) -> Result<i64, Errno> {
    // SAFETY: close takes no pointers.
    unsafe { call(libc::SYS_close, [word(fd), 0, 0, 0, 0, 0]) }
}

/// fcntl(2) with a number as its third argument.
pub(super) fn fcntl(fd: RawFd, command: i32, arg: u64) -> Result<i64, Errno> {
    // SAFETY: callers pass only commands whose argument is a number.
    unsafe { call(libc::SYS_fcntl, [word(fd), command as u64, arg, 0, 0, 0]) }
}

/// statx(2) of a descriptor: type, device numbers and the id of its mount.
pub(super) fn describe(fd: RawFd) -> Result<libc::statx, Errno> {
    let mask = libc::STATX_TYPE | libc::STATX_MODE | libc::STATX_MNT_ID;
    stat_path(fd, EMPTY, libc::AT_EMPTY_PATH, mask)
}

/// statx(2).
pub(super) fn stat_path(
    dir: RawFd,
    path: &CStr,
    flags: i32,
    mask: u32,
) -> Result<libc::statx, Errno> {
    let mut data = MaybeUninit::<libc::statx>::zeroed();
    let to = data.as_mut_ptr() as u64;
    // SAFETY: the kernel writes one statx structure, and `data` is one.
    unsafe {
        call(
            libc::SYS_statx,
            [word(dir), pointer(path), flags as u64, mask.into(), to, 0],
        )
    }?;
    // SAFETY: every bit pattern, zeros included, is a valid statx.
    Ok(unsafe { data.assume_init() })
}

/// Bits S_IFMT of a statx.
pub(super) fn file_type(stat: &libc::statx) -> u32 {
    u32::from(stat.stx_mode) & libc::S_IFMT
}

/// Whether a descriptor is of a proc file system.
pub(super) fn is_proc(fd: RawFd) -> Result<bool, Errno> {
    Ok(file_system(fd)? == libc::PROC_SUPER_MAGIC)
}

/// The type of a file's file system (statfs(2)).
pub(super) fn file_system(fd: RawFd) -> Result<i64, Errno> {
    let mut data = MaybeUninit::<libc::statfs>::zeroed();
    let to = data.as_mut_ptr() as u64;
    // SAFETY: the kernel writes one statfs structure, and `data` is one.
    unsafe { call(libc::SYS_fstatfs, [word(fd), to, 0, 0, 0, 0]) }?;
    // SAFETY: every bit pattern is a valid statfs.
    Ok(unsafe { data.assume_init() }.f_type)
}

/// lseek(2).
pub(super) fn seek(fd: RawFd, offset: i64, whence: i32) -> Result<i64, Errno> {
    let args = [word(fd), offset as u64, word(whence), 0, 0, 0];
    // SAFETY: the call takes numbers.
    unsafe { call(libc::SYS_lseek, args) }
}

/// readlinkat(2): the link's text.
pub(super) fn readlink(dir: RawFd, path: &CStr) -> Result<Vec<u8>, Errno> {
    let mut text = vec![0u8; libc::PATH_MAX as usize];
    let args = [
        word(dir),
        pointer(path),
        text.as_mut_ptr() as u64,
        text.len() as u64,
        0,
        0,
    ];
    // SAFETY: the kernel writes at most `text.len()` bytes into `text`.
    let bytes = unsafe { call(libc::SYS_readlinkat, args) }?;
    text.truncate(bytes as usize);
    Ok(text)
}

/// getdents64(2) into a buffer.
pub(super) fn getdents(fd: RawFd, to: &mut [u8]) -> Result<usize, Errno> {
    let args = [word(fd), to.as_mut_ptr() as u64, to.len() as u64, 0, 0, 0];
    // SAFETY: the kernel writes at most `to.len()` bytes into `to`.
    Ok(unsafe { call(libc::SYS_getdents64, args) }? as usize)
}

/// write(2) of all bytes to a file that takes them without blocking.
pub(super) fn write_all(fd: RawFd, mut from: &[u8]) -> Result<(), Errno> {
    while !from.is_empty() {
        let args = [word(fd), from.as_ptr() as u64, from.len() as u64, 0, 0, 0];
        // SAFETY: the kernel only reads `from.len()` bytes of `from`.
        match unsafe { call(libc::SYS_write, args) } {
            Ok(0) => return Err(Errno::EIO),
            Ok(bytes) => from = &from[(bytes as usize).min(from.len())..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// getpid(2).
pub(super) fn pid() -> i32 {
    // SAFETY: getpid has no preconditions.
    unsafe { libc::getpid() }
}
