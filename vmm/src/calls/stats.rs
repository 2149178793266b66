//! What is known of a file, and what can be set of it, by path.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};

use pinion_abi::Errno;

use super::names::{descriptor_name, Target};
use super::sys::{self, Outcome};
use super::{decode, Call};

const NOFOLLOW: i32 = libc::AT_SYMLINK_NOFOLLOW;
const EMPTY_PATH: i32 = libc::AT_EMPTY_PATH;
/// fcntl.h: AT_STATX_SYNC_TYPE, and faccessat(2)'s AT_EACCESS (libc has both only in part).
const STATX_SYNC_TYPE: i32 = 0x6000;
const EACCESS: i32 = 0x200;

/// The call's file: `dir` and `path` are indices of arguments, none for AT_FDCWD. Flags other than
/// `valid` are EINVAL.
fn target(
    call: &Call,
    dir: Option<usize>,
    path: usize,
    flags: i32,
    valid: i32,
) -> Result<Target, Errno> {
    if flags & !valid != 0 {
        return Err(Errno::EINVAL);
    }
    let dir = dir.map_or(libc::AT_FDCWD, |index| call.args.fd(index));
    call.service
        .target(dir, call.args.path_or_null(path), flags)
}

/// Makes a `*at` call on a file itself: its arguments behind the path.
fn on_file(number: i64, file: &Target, rest: [u64; 4]) -> Outcome {
    let args = [
        sys::word(file.fd()),
        sys::pointer(sys::EMPTY),
        rest[0],
        rest[1],
        rest[2],
        rest[3],
    ];
    // SAFETY: callers pass numbers, and pointers to the monitor's copies as the call's row has them.
    Ok(unsafe { sys::call(number, args) }?)
}

/// Makes a `*at` call on a file's name in the monitor's own /proc, for calls that do not take
/// O_PATH descriptors on every kernel that Pinion runs on.
fn on_name(call: &Call, number: i64, file: &Target, rest: [u64; 4]) -> Outcome {
    let name = descriptor_name(file.fd());
    let dir = sys::word(call.service.proc());
    let args = [dir, sys::pointer(&name), rest[0], rest[1], rest[2], rest[3]];
    // SAFETY: as in `on_file`; the name outlives the call.
    Ok(unsafe { sys::call(number, args) }?)
}

/// The address of a buffer that the call fills or reads; EFAULT for NULL.
fn buffer(call: &mut Call, index: usize) -> Result<u64, Errno> {
    Ok(call.args.data(index)?.as_mut_ptr() as u64)
}

fn stat_of(call: &mut Call, file: &Target, to: usize) -> Outcome {
    let to = buffer(call, to)?;
    on_file(libc::SYS_newfstatat, file, [to, EMPTY_PATH as u64, 0, 0])
}

/// stat(2).
pub(super) fn stat(call: &mut Call) -> Outcome {
    let file = target(call, None, 0, 0, 0)?;
    stat_of(call, &file, 1)
}

/// lstat(2).
pub(super) fn lstat(call: &mut Call) -> Outcome {
    let file = target(call, None, 0, NOFOLLOW, NOFOLLOW)?;
    stat_of(call, &file, 1)
}

/// newfstatat(2).
pub(super) fn newfstatat(call: &mut Call) -> Outcome {
    let valid = NOFOLLOW | EMPTY_PATH | libc::AT_NO_AUTOMOUNT;
    let file = target(call, Some(0), 1, call.args.int(3), valid)?;
    stat_of(call, &file, 2)
}

/// statx(2).
pub(super) fn statx(call: &mut Call) -> Outcome {
    let flags = call.args.int(2);
    let valid = NOFOLLOW | EMPTY_PATH | libc::AT_NO_AUTOMOUNT | STATX_SYNC_TYPE;
    let file = target(call, Some(0), 1, flags, valid)?;
    let mask = call.args.number(3);
    let to = buffer(call, 4)?;
    let flags = (flags & STATX_SYNC_TYPE | EMPTY_PATH) as u64;
    on_file(libc::SYS_statx, &file, [flags, mask, to, 0])
}

/// statfs(2).
pub(super) fn statfs(call: &mut Call) -> Outcome {
    let file = target(call, None, 0, 0, 0)?;
    let args = [sys::word(file.fd()), buffer(call, 1)?, 0, 0, 0, 0];
    // SAFETY: the buffer is the monitor's copy, of struct statfs's size by the call's row.
    Ok(unsafe { sys::call(libc::SYS_fstatfs, args) }?)
}

/// Linux judges the mode before the path: R_OK, W_OK, X_OK.
fn check_access(mode: u64) -> Result<(), Errno> {
    if mode as u32 & !7 == 0 {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

fn access_of(call: &Call, file: &Target, mode: u64, flags: i32) -> Outcome {
    if flags & EACCESS == 0 {
        return on_name(call, libc::SYS_faccessat, file, [mode, 0, 0, 0]);
    }
    on_file(FACCESSAT2, file, [mode, (flags | EMPTY_PATH) as u64, 0, 0])
}

/// asm/unistd_64.h.
const FACCESSAT2: i64 = 439;

/// access(2).
pub(super) fn access(call: &mut Call) -> Outcome {
    check_access(call.args.number(1))?;
    let file = target(call, None, 0, 0, 0)?;
    access_of(call, &file, call.args.number(1), 0)
}

/// faccessat(2), the system call, which has no flags.
pub(super) fn faccessat(call: &mut Call) -> Outcome {
    check_access(call.args.number(2))?;
    let file = target(call, Some(0), 1, 0, 0)?;
    access_of(call, &file, call.args.number(2), 0)
}

/// faccessat2(2).
pub(super) fn faccessat2(call: &mut Call) -> Outcome {
    check_access(call.args.number(2))?;
    let flags = call.args.int(3);
    let file = target(call, Some(0), 1, flags, NOFOLLOW | EMPTY_PATH | EACCESS)?;
    access_of(call, &file, call.args.number(2), flags & EACCESS)
}

fn chmod_of(call: &Call, file: &Target, mode: u64) -> Outcome {
    on_name(call, libc::SYS_fchmodat, file, [mode, 0, 0, 0])
}

/// chmod(2).
pub(super) fn chmod(call: &mut Call) -> Outcome {
    let file = target(call, None, 0, 0, 0)?;
    chmod_of(call, &file, call.args.number(1))
}

/// fchmodat(2), the system call, which has no flags.
pub(super) fn fchmodat(call: &mut Call) -> Outcome {
    let file = target(call, Some(0), 1, 0, 0)?;
    chmod_of(call, &file, call.args.number(2))
}

/// fchmodat2(2).
pub(super) fn fchmodat2(call: &mut Call) -> Outcome {
    let file = target(call, Some(0), 1, call.args.int(3), NOFOLLOW | EMPTY_PATH)?;
    chmod_of(call, &file, call.args.number(2))
}

fn chown_of(file: &Target, user: u64, group: u64) -> Outcome {
    on_file(
        libc::SYS_fchownat,
        file,
        [user, group, EMPTY_PATH as u64, 0],
    )
}

/// chown(2).
pub(super) fn chown(call: &mut Call) -> Outcome {
    let file = target(call, None, 0, 0, 0)?;
    chown_of(&file, call.args.number(1), call.args.number(2))
}

/// lchown(2).
pub(super) fn lchown(call: &mut Call) -> Outcome {
    let file = target(call, None, 0, NOFOLLOW, NOFOLLOW)?;
    chown_of(&file, call.args.number(1), call.args.number(2))
}

/// fchownat(2).
pub(super) fn fchownat(call: &mut Call) -> Outcome {
    let file = target(call, Some(0), 1, call.args.int(4), NOFOLLOW | EMPTY_PATH)?;
    chown_of(&file, call.args.number(2), call.args.number(3))
}

/// Sets times: two of struct timespec, or now.
fn set_times(call: &Call, file: &Target, times: Option<[i64; 4]>) -> Outcome {
    let times = times.as_ref().map_or(0, |times| times.as_ptr() as u64);
    on_name(call, libc::SYS_utimensat, file, [times, 0, 0, 0])
}

fn numbers(bytes: &[u8]) -> [i64; 4] {
    [0, 8, 16, 24].map(|at| decode::number(bytes, at) as i64)
}

/// Two of struct timeval as two of struct timespec; none for NULL.
fn timevals(call: &mut Call, index: usize) -> Result<Option<[i64; 4]>, Errno> {
    let Ok(bytes) = call.args.data(index) else {
        return Ok(None);
    };
    let [access, access_us, change, change_us] = numbers(bytes);
    if ![access_us, change_us]
        .iter()
        .all(|us| (0..1_000_000).contains(us))
    {
        return Err(Errno::EINVAL);
    }
    Ok(Some([access, access_us * 1000, change, change_us * 1000]))
}

/// utime(2).
pub(super) fn utime(call: &mut Call) -> Outcome {
    let times = call.args.data(1).ok().map(|bytes| numbers(bytes));
    let file = target(call, None, 0, 0, 0)?;
    set_times(
        call,
        &file,
        times.map(|[access, change, ..]| [access, 0, change, 0]),
    )
}

/// utimes(2).
pub(super) fn utimes(call: &mut Call) -> Outcome {
    let times = timevals(call, 1)?;
    let file = target(call, None, 0, 0, 0)?;
    set_times(call, &file, times)
}

/// futimesat(2).
pub(super) fn futimesat(call: &mut Call) -> Outcome {
    let times = timevals(call, 2)?;
    if call.args.path_or_null(1).is_none() {
        return set_times_of_descriptor(call, times);
    }
    let file = target(call, Some(0), 1, 0, 0)?;
    set_times(call, &file, times)
}

/// utimensat(2).
pub(super) fn utimensat(call: &mut Call) -> Outcome {
    let times = call.args.data(2).ok().map(|bytes| numbers(bytes));
    let flags = call.args.int(3);
    if call.args.path_or_null(1).is_none() {
        if flags != 0 {
            return Err(Errno::EINVAL.into());
        }
        return set_times_of_descriptor(call, times);
    }
    let file = target(call, Some(0), 1, flags, NOFOLLOW | EMPTY_PATH)?;
    set_times(call, &file, times)
}

/// futimens(3) and its kin: the path is NULL.
fn set_times_of_descriptor(call: &Call, times: Option<[i64; 4]>) -> Outcome {
    let fd = call.args.fd(0);
    if fd == libc::AT_FDCWD {
        return Err(Errno::EFAULT.into());
    }
    let times = times.as_ref().map_or(0, |times| times.as_ptr() as u64);
    // SAFETY: `times` is null or points at two of struct timespec.
    Ok(unsafe { sys::call(libc::SYS_utimensat, [sys::word(fd), 0, times, 0, 0, 0]) }?)
}

/// name_to_handle_at(2).
pub(super) fn name_to_handle_at(call: &mut Call) -> Outcome {
    let flags = call.args.int(4);
    if flags & !(libc::AT_SYMLINK_FOLLOW | EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let follow = if flags & libc::AT_SYMLINK_FOLLOW == 0 {
        NOFOLLOW
    } else {
        0
    };
    let file = target(
        call,
        Some(0),
        1,
        flags & EMPTY_PATH | follow,
        EMPTY_PATH | NOFOLLOW,
    )?;
    let (handle, mount) = (buffer(call, 2)?, buffer(call, 3)?);
    on_file(
        libc::SYS_name_to_handle_at,
        &file,
        [handle, mount, EMPTY_PATH as u64, 0],
    )
}

/// truncate(2).
pub(super) fn truncate(call: &mut Call) -> Outcome {
    i64::try_from(call.args.number(1)).map_err(|_| Errno::EINVAL)?;
    let file = call
        .service
        .resolve(libc::AT_FDCWD, call.args.path(0)?, 0)?;
    let length = call.args.number(1);
    Ok(aside(call.service.proc(), file.as_raw_fd(), move |name| {
        // SAFETY: the name outlives the call, which only reads it.
        unsafe { sys::call(libc::SYS_truncate, [sys::pointer(name), length, 0, 0, 0, 0]) }
    })?)
}

/// Runs a call that takes nothing but a path, with a name of an O_PATH descriptor's file. It runs in
/// a thread of its own, whose working directory is the monitor's own /proc. To open the file
/// instead, and close it, would drop the guest's record locks.
pub(super) fn aside(
    proc: RawFd,
    file: RawFd,
    run: impl FnOnce(&CStr) -> Result<i64, Errno> + Send,
) -> Result<i64, Errno> {
    let name = descriptor_name(file);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn_scoped(scope, || {
                // SAFETY: unshare and fchdir take no pointers.
                unsafe { sys::call(libc::SYS_unshare, [libc::CLONE_FS as u64, 0, 0, 0, 0, 0]) }?;
                // SAFETY: as above.
                unsafe { sys::call(libc::SYS_fchdir, [sys::word(proc), 0, 0, 0, 0, 0]) }?;
                run(&name)
            });
        let thread = thread.map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EAGAIN)))?;
        thread.join().map_err(|_| Errno::EIO)?
    })
}
