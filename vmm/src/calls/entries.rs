//! Making, moving and removing names.

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

/// mknod(2).
pub(super) fn mknod(call: &mut Call) -> Outcome {
    let rest = [call.args.number(1), call.args.number(2)];
    on_entry(libc::SYS_mknodat, &entry(call, None, 0)?, rest)
}

/// mknodat(2).
pub(super) fn mknodat(call: &mut Call) -> Outcome {
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
    on_entry(libc::SYS_unlinkat, &entry(call, Some(0), 1)?, [flags, 0])
}

/// symlink(2).
pub(super) fn symlink(call: &mut Call) -> Outcome {
    link_text(call, &entry(call, None, 1)?)
}

/// symlinkat(2).
pub(super) fn symlinkat(call: &mut Call) -> Outcome {
    link_text(call, &entry(call, Some(1), 2)?)
}

fn link_text(call: &Call, new: &Entry) -> Outcome {
    let text = sys::pointer(call.args.path(0)?);
    let args = [text, sys::word(new.dir()), sys::pointer(&new.name), 0, 0, 0];
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
    on_entries(
        libc::SYS_linkat,
        &entry(call, None, 0)?,
        &entry(call, None, 1)?,
        0,
    )
}

/// linkat(2).
pub(super) fn linkat(call: &mut Call) -> Outcome {
    let flags = call.args.int(4);
    if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let new = entry(call, Some(2), 3)?;
    let follow = flags & libc::AT_SYMLINK_FOLLOW != 0;
    let empty = call.args.path(1)?.is_empty() && flags & libc::AT_EMPTY_PATH != 0;
    if !follow && !empty {
        return on_entries(libc::SYS_linkat, &entry(call, Some(0), 1)?, &new, 0);
    }
    let old = call
        .service
        .target(call.args.fd(0), call.args.path_or_null(1), flags)?;
    if let Target::Named(fd) = old {
        // Linux asks for CAP_DAC_READ_SEARCH here, or that the file was opened with the same
        // credentials: the host is to judge.
        let old = Entry::of(fd, sys::EMPTY.to_owned());
        return on_entries(libc::SYS_linkat, &old, &new, libc::AT_EMPTY_PATH as u64);
    }
    let old = Entry::of(call.service.proc(), descriptor_name(old.fd()));
    on_entries(libc::SYS_linkat, &old, &new, libc::AT_SYMLINK_FOLLOW as u64)
}
