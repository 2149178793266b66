//! Making, moving and removing names.

use std::os::fd::RawFd;

use pinion_abi::Errno;

use super::names::{descriptor_name, Entry, Target};
use super::sys::{self, Outcome};
use super::Call;

const CWD: i32 = libc::AT_FDCWD;

/// The directory and name of a path: indices of arguments.
fn entry(call: &Call, dir: Option<usize>, path: usize) -> Result<Entry, Errno> {
    let dir = dir.map_or(CWD, |index| call.args.fd(index));
    call.service.entry(dir, call.args.path(path)?)
}

/// Makes a call that takes a directory and a name, which it does not follow.
fn on_entry(number: i64, entry: &Entry, rest: [u64; 2]) -> Outcome {
    let args = [
        sys::word(entry.dir()),
        sys::pointer(&entry.name),
        rest[0],
        rest[1],
        0,
        0,
    ];
    // SAFETY: the name outlives the call, which only reads it; the rest are numbers.
    Ok(unsafe { sys::call(number, args) }?)
}

/// mkdir(2).
pub(super) fn mkdir(call: &mut Call) -> Outcome {
    on_entry(
        libc::SYS_mkdirat,
        &entry(call, None, 0)?,
        [call.args.number(1), 0],
    )
}

/// mkdirat(2).
pub(super) fn mkdirat(call: &mut Call) -> Outcome {
    on_entry(
        libc::SYS_mkdirat,
        &entry(call, Some(0), 1)?,
        [call.args.number(2), 0],
    )
}

/// Linux judges the kind of file before the path.
fn check_kind(mode: u64) -> Result<(), Errno> {
    match mode as u32 & libc::S_IFMT {
        0 | libc::S_IFREG | libc::S_IFCHR | libc::S_IFBLK | libc::S_IFIFO | libc::S_IFSOCK => {
            Ok(())
        }
        libc::S_IFDIR => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// mknod(2).
pub(super) fn mknod(call: &mut Call) -> Outcome {
    check_kind(call.args.number(1))?;
    let rest = [call.args.number(1), call.args.number(2)];
    on_entry(libc::SYS_mknodat, &entry(call, None, 0)?, rest)
}

/// mknodat(2).
pub(super) fn mknodat(call: &mut Call) -> Outcome {
    check_kind(call.args.number(2))?;
    let rest = [call.args.number(2), call.args.number(3)];
    on_entry(libc::SYS_mknodat, &entry(call, Some(0), 1)?, rest)
}

/// unlink(2).
pub(super) fn unlink(call: &mut Call) -> Outcome {
    on_entry(libc::SYS_unlinkat, &entry(call, None, 0)?, [0, 0])
}

/// rmdir(2).
pub(super) fn rmdir(call: &mut Call) -> Outcome {
    on_entry(
        libc::SYS_unlinkat,
        &entry(call, None, 0)?,
        [libc::AT_REMOVEDIR as u64, 0],
    )
}

/// unlinkat(2).
pub(super) fn unlinkat(call: &mut Call) -> Outcome {
    let flags = call.args.number(2);
    if flags as i32 & !libc::AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL.into());
    }
    on_entry(libc::SYS_unlinkat, &entry(call, Some(0), 1)?, [flags, 0])
}

/// symlink(2).
pub(super) fn symlink(call: &mut Call) -> Outcome {
    link_text(call, None, 1)
}

/// symlinkat(2).
pub(super) fn symlinkat(call: &mut Call) -> Outcome {
    link_text(call, Some(1), 2)
}

fn link_text(call: &Call, dir: Option<usize>, path: usize) -> Outcome {
    let text = call.args.path(0)?;
    if text.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    let new = entry(call, dir, path)?;
    let args = [
        sys::pointer(text),
        sys::word(new.dir()),
        sys::pointer(&new.name),
        0,
        0,
        0,
    ];
    // SAFETY: both strings outlive the call, which only reads them.
    Ok(unsafe { sys::call(libc::SYS_symlinkat, args) }?)
}

/// rename(2).
pub(super) fn rename(call: &mut Call) -> Outcome {
    on_entries(
        libc::SYS_renameat2,
        &entry(call, None, 0)?,
        &entry(call, None, 1)?,
        0,
    )
}

/// renameat(2).
pub(super) fn renameat(call: &mut Call) -> Outcome {
    on_entries(
        libc::SYS_renameat2,
        &entry(call, Some(0), 1)?,
        &entry(call, Some(2), 3)?,
        0,
    )
}

/// renameat2(2).
pub(super) fn renameat2(call: &mut Call) -> Outcome {
    let flags = call.args.number(4);
    let [no_replace, exchange, whiteout] = [1, 2, 4];
    let alone = flags & exchange == 0 || flags & (no_replace | whiteout) == 0;
    if flags as u32 & !7 != 0 || !alone {
        return Err(Errno::EINVAL.into());
    }
    on_entries(
        libc::SYS_renameat2,
        &entry(call, Some(0), 1)?,
        &entry(call, Some(2), 3)?,
        flags,
    )
}

fn on_entries(number: i64, old: &Entry, new: &Entry, flags: u64) -> Outcome {
    let (old_dir, new_dir) = (sys::word(old.dir()), sys::word(new.dir()));
    let args = [
        old_dir,
        sys::pointer(&old.name),
        new_dir,
        sys::pointer(&new.name),
        flags,
        0,
    ];
    // SAFETY: both names outlive the call, which only reads them.
    Ok(unsafe { sys::call(number, args) }?)
}

/// link(2).
pub(super) fn link(call: &mut Call) -> Outcome {
    link_file(call, CWD, 0, (CWD, 1), 0)
}

/// linkat(2).
pub(super) fn linkat(call: &mut Call) -> Outcome {
    let (old_dir, new_dir) = (call.args.fd(0), call.args.fd(2));
    link_file(call, old_dir, 1, (new_dir, 3), call.args.int(4))
}

fn link_file(call: &Call, dir: RawFd, path: usize, new: (RawFd, usize), flags: i32) -> Outcome {
    if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let service = call.service;
    let old = call.args.path(path)?;
    let follow = flags & libc::AT_SYMLINK_FOLLOW != 0;
    let empty = old.is_empty() && flags & libc::AT_EMPTY_PATH != 0;
    if !follow && !empty {
        let old_entry = service.entry(dir, old)?;
        let new = match service.entry(new.0, call.args.path(new.1)?) {
            Ok(new) => new,
            // That the file is missing is the first thing that Linux notices.
            Err(errno) => {
                service.resolve(dir, old, libc::O_NOFOLLOW)?;
                return Err(errno.into());
            }
        };
        return on_entries(libc::SYS_linkat, &old_entry, &new, 0);
    }
    let file = service.target(dir, Some(old), flags)?;
    let new = service.entry(new.0, call.args.path(new.1)?)?;
    if let Target::Named(fd) = file {
        // Linux asks for CAP_DAC_READ_SEARCH here, or that the file was opened with the same
        // credentials: the host is to judge.
        let old = Entry::of(fd, sys::EMPTY.to_owned());
        return on_entries(libc::SYS_linkat, &old, &new, libc::AT_EMPTY_PATH as u64);
    }
    let old = Entry::of(service.proc(), descriptor_name(file.fd()));
    on_entries(libc::SYS_linkat, &old, &new, libc::AT_SYMLINK_FOLLOW as u64)
}
