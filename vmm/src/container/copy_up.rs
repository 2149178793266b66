//! `tmpcopyup`: a new tmpfs gets what the image has in the directory that it covers.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::rooted::{openat2, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV};
use crate::errno::{check, Errno};

/// Deeper directories are an error: the image could be made to exhaust the stack.
const MAX_DEPTH: u32 = 128;

/// Copies what is in the directory `from` (an O_PATH descriptor) to the directory `to`: regular
/// files, directories and symbolic links with their owners and modes. Links are copied, not
/// followed; other mounts are left out.
pub fn copy(from: impl AsFd, to: impl AsFd) -> Result<(), Errno> {
    copy_directory(from.as_fd(), to.as_fd(), 0)
}

fn copy_directory(from: BorrowedFd, to: BorrowedFd, depth: u32) -> Result<(), Errno> {
    if depth > MAX_DEPTH {
        return Err(Errno(libc::ELOOP));
    }
    let directory = open(from, c".", libc::O_RDONLY | libc::O_DIRECTORY)?;
    for name in names(&directory)? {
        let stat = stat_at(from, &name)?;
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFDIR => {
                // SAFETY: the name is a C string.
                check(unsafe { libc::mkdirat(to.as_raw_fd(), name.as_ptr(), 0o700) })?;
                let source = match open(from, &name, libc::O_PATH | libc::O_DIRECTORY) {
                    // Another mount.
                    Err(Errno(libc::EXDEV)) => continue,
                    source => source?,
                };
                let target = open(to, &name, libc::O_PATH | libc::O_DIRECTORY)?;
                copy_directory(source.as_fd(), target.as_fd(), depth + 1)?;
            }
            libc::S_IFREG => {
                let mut source = File::from(open(from, &name, libc::O_RDONLY | libc::O_NONBLOCK)?);
                let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
                let mut target = File::from(create(to, &name, flags)?);
                io::copy(&mut source, &mut target)?;
            }
            libc::S_IFLNK => {
                let mut target = [0; libc::PATH_MAX as usize];
                // SAFETY: readlinkat(2) writes less than the buffer has, the rest stays zero.
                check(unsafe {
                    libc::readlinkat(
                        from.as_raw_fd(),
                        name.as_ptr(),
                        target.as_mut_ptr().cast(),
                        target.len() - 1,
                    )
                } as i64)?;
                let target =
                    CStr::from_bytes_until_nul(&target).map_err(|_| Errno(libc::ENAMETOOLONG))?;
                // SAFETY: both are C strings.
                check(unsafe { libc::symlinkat(target.as_ptr(), to.as_raw_fd(), name.as_ptr()) })?;
            }
            _ => continue,
        }
        set_owner_and_mode(to, &name, &stat)?;
    }
    Ok(())
}

fn set_owner_and_mode(directory: BorrowedFd, name: &CStr, stat: &libc::stat) -> Result<(), Errno> {
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: the name is a C string. The file is the copy, in a tmpfs that nobody else sees yet.
    check(unsafe {
        libc::fchownat(
            directory.as_raw_fd(),
            name.as_ptr(),
            stat.st_uid,
            stat.st_gid,
            flags,
        )
    })?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFLNK {
        // SAFETY: as above.
        check(unsafe {
            libc::fchmodat(
                directory.as_raw_fd(),
                name.as_ptr(),
                stat.st_mode & 0o7777,
                0,
            )
        })?;
    }
    Ok(())
}

fn open(directory: BorrowedFd, name: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    openat2(
        directory,
        name,
        flags,
        RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    )
}

fn create(directory: BorrowedFd, name: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    let flags = flags | libc::O_CLOEXEC;
    // SAFETY: the name is a C string.
    crate::errno::check_fd(unsafe {
        libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, 0o600)
    })
}

fn stat_at(directory: BorrowedFd, name: &CStr) -> Result<libc::stat, Errno> {
    // SAFETY: fstatat(2) reads a C string and fills in the struct, whose fields are integers.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        check(libc::fstatat(
            directory.as_raw_fd(),
            name.as_ptr(),
            &mut stat,
            libc::AT_SYMLINK_NOFOLLOW,
        ))?;
        Ok(stat)
    }
}

/// The names in an open directory, without `.` and `..` (getdents64(2)).
fn names(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    const NAME: usize = 19; // d_ino, d_off, d_reclen, d_type
    let mut names = Vec::new();
    let mut buffer = vec![0_u8; 32 << 10];
    loop {
        // SAFETY: getdents64(2) writes at most as many bytes as the buffer has.
        let length = check(unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                directory.as_raw_fd(),
                buffer.as_mut_ptr(),
                buffer.len(),
            )
        })?;
        let mut rest = &buffer[..usize::try_from(length).unwrap_or(0)];
        if rest.is_empty() {
            return Ok(names);
        }
        while rest.len() > NAME {
            let record =
                usize::from(u16::from_ne_bytes([rest[16], rest[17]])).clamp(NAME, rest.len());
            if let Ok(name) = CStr::from_bytes_until_nul(&rest[NAME..record]) {
                if name != c"." && name != c".." {
                    names.push(name.to_owned());
                }
            }
            rest = &rest[record..];
        }
    }
}
