//! Where in its file system an open file of a proc file system stands.
//!
//! The kernel tells an open file's path from the root directory; what is below the mount's own
//! mount point, behind the mount's root, is the path in the file system, whatever was bound where.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::{Mutex, PoisonError};

use pinion_abi::Errno;

use super::decode::number;
use super::names::descriptor_name;
use super::sys;

/// The proc mounts that the process sees, read again when the kernel says that they changed.
#[derive(Debug)]
pub(super) struct Mounts {
    floor: RawFd,
    /// None until somebody asks.
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    /// Who opened the file: a child of fork(2) needs one of its own, or takes its parent's news.
    pid: i32,
    file: OwnedFd,
    list: Vec<Mount>,
}

/// One line of mountinfo (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u64,
    /// What of the file system is mounted.
    root: Vec<u8>,
    point: Vec<u8>,
}

impl Mounts {
    pub fn new(floor: RawFd) -> Mounts {
        Mounts {
            floor,
            state: Mutex::new(None),
        }
    }

    /// Begins anew, after chroot(2): the list is as seen from the root at its opening.
    pub fn reopen(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Keeps other threads out, for the time of a fork(2).
    pub fn hold(&self) -> impl Drop + '_ {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The components of an open file's path in its proc file system; none if it cannot be told.
    pub fn locate(&self, proc: RawFd, fd: RawFd) -> Result<Option<Vec<Vec<u8>>>, Errno> {
        let path = sys::readlink(proc, &descriptor_name(fd))?;
        match statmount(fd) {
            Ok(mount) => return Ok(mount.and_then(|mount| mount.within(&path))),
            // A host before Linux 6.8.
            Err(Errno::ENOSYS) => {}
            Err(errno) => return Err(errno),
        }
        let id = sys::describe(fd)?.stx_mnt_id;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = match &mut *state {
            Some(state) if state.pid == sys::pid() => {
                if state.changed()? {
                    state.list = read(state.file.as_raw_fd())?;
                }
                state
            }
            state => state.insert(State::open(proc, self.floor)?),
        };
        let Some(mount) = state.list.iter().find(|mount| mount.id == id) else {
            return Ok(None);
        };
        Ok(mount.within(&path))
    }
}

impl State {
    fn open(proc: RawFd, floor: RawFd) -> Result<State, Errno> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        let file = sys::own(sys::openat(proc, c"thread-self/mountinfo", flags, 0)?);
        let file = super::raise(file, floor)?;
        let list = read(file.as_raw_fd())?;
        Ok(State {
            pid: sys::pid(),
            file,
            list,
        })
    }

    /// Whether the mounts changed since the last look (proc(5): the file is then exceptional).
    fn changed(&self) -> Result<bool, Errno> {
        let mut poll = libc::pollfd {
            fd: self.file.as_raw_fd(),
            events: libc::POLLPRI,
            revents: 0,
        };
        let args = [&raw mut poll as u64, 1, 0, 0, 0, 0];
        // SAFETY: the kernel reads and writes the one pollfd.
        unsafe { sys::call(libc::SYS_poll, args) }?;
        Ok(poll.revents & (libc::POLLPRI | libc::POLLERR) != 0)
    }
}

impl Mount {
    fn within(&self, path: &[u8]) -> Option<Vec<Vec<u8>>> {
        let path = Path::new(OsStr::from_bytes(path));
        let below = path.strip_prefix(OsStr::from_bytes(&self.point)).ok()?;
        let root = Path::new(OsStr::from_bytes(&self.root))
            .strip_prefix("/")
            .ok()?;
        let mut names = Vec::new();
        for component in root.components().chain(below.components()) {
            match component {
                Component::Normal(name) => names.push(name.as_bytes().to_vec()),
                _ => return None,
            }
        }
        Some(names)
    }
}

/// statmount(2) of the mount that an open file lies in, if it is one of a proc file system.
fn statmount(fd: RawFd) -> Result<Option<Mount>, Errno> {
    let flags = libc::AT_EMPTY_PATH;
    let described = sys::stat_path(fd, sys::EMPTY, flags, STATX_MNT_ID_UNIQUE)?;
    if described.stx_mask & STATX_MNT_ID_UNIQUE == 0 {
        return Err(Errno::ENOSYS);
    }
    let id = described.stx_mnt_id;
    let wanted = STATMOUNT_SB_BASIC | STATMOUNT_MNT_ROOT | STATMOUNT_MNT_POINT;
    let request: [u64; 3] = [size_of::<[u64; 3]>() as u64, id, wanted];
    // Of 8 bytes each, as struct statmount is aligned.
    let mut answer = vec![0u64; (STATMOUNT_BYTES + 2 * libc::PATH_MAX as usize) / 8];
    let room = answer.len() as u64 * 8;
    let to = answer.as_mut_ptr() as u64;
    let args = [request.as_ptr() as u64, to, room, 0, 0, 0];
    // SAFETY: the kernel reads the request and writes at most `room` bytes.
    match unsafe { sys::call(SYS_STATMOUNT, args) } {
        Ok(_) => {}
        // The process does not see it.
        Err(Errno::EPERM | Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    }
    let bytes: Vec<u8> = answer.iter().flat_map(|word| word.to_ne_bytes()).collect();
    if number(&bytes, SB_MAGIC) != libc::PROC_SUPER_MAGIC as u64 {
        return Ok(None);
    }
    let text = |at: usize| {
        let start = STATMOUNT_BYTES + number(&bytes, at) as u32 as usize;
        let text = CStr::from_bytes_until_nul(bytes.get(start..)?).ok()?;
        Some(text.to_bytes().to_vec())
    };
    Ok(text(MNT_ROOT)
        .zip(text(MNT_POINT).filter(|point| !point.is_empty()))
        .map(|(root, point)| Mount { id, root, point }))
}

/// linux/mount.h, linux/stat.h.
const SYS_STATMOUNT: i64 = 457;
const STATX_MNT_ID_UNIQUE: u32 = 0x4000;
const STATMOUNT_SB_BASIC: u64 = 0x01;
const STATMOUNT_MNT_ROOT: u64 = 0x08;
const STATMOUNT_MNT_POINT: u64 = 0x10;
/// struct statmount: its bytes before the strings, and where in it stand `sb_magic`, `mnt_root` and `mnt_point`.
const STATMOUNT_BYTES: usize = 512;
const SB_MAGIC: usize = 24;
const MNT_ROOT: usize = 104;
const MNT_POINT: usize = 108;

fn read(file: RawFd) -> Result<Vec<Mount>, Errno> {
    let mut text = Vec::new();
    let mut piece = vec![0u8; 16 << 10];
    loop {
        let to = [
            sys::word(file),
            piece.as_mut_ptr() as u64,
            piece.len() as u64,
            text.len() as u64,
            0,
            0,
        ];
        // SAFETY: the kernel writes at most `piece.len()` bytes into `piece`.
        match unsafe { sys::call(libc::SYS_pread64, to) }? {
            0 => return Ok(parse(&text)),
            bytes => text.extend_from_slice(&piece[..bytes as usize]),
        }
    }
}

fn parse(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect()
}

/// `36 35 98:0 /root /point options [tags...] - type source options`.
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let root = unescape(fields.nth(2)?);
    let point = unescape(fields.next()?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    (kind == b"proc").then_some(Mount { id, root, point })
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                text.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                text.push(*first);
                rest = after;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<Vec<u8>> {
        path.split('/')
            .map(|name| name.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn only_proc_mounts_count() {
        let text = b"36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw\n\
            40 36 0:5 / /proc rw - proc proc rw\n\
            41 36 0:5 /12/fd /a\\040b rw shared:3 - proc proc rw\nrubbish\n";
        let list = parse(text);
        assert_eq!(list.len(), 2);
        assert_eq!(
            list[1],
            Mount {
                id: 41,
                root: b"/12/fd".to_vec(),
                point: b"/a b".to_vec()
            }
        );
    }

    #[test]
    fn a_bound_file_is_known_by_its_own_name() {
        let whole = Mount {
            id: 1,
            root: b"/".to_vec(),
            point: b"/proc".to_vec(),
        };
        assert_eq!(whole.within(b"/proc/7/mem"), Some(names("7/mem")));
        assert_eq!(whole.within(b"/proc"), Some(vec![]));
        assert_eq!(whole.within(b"/process/7/mem"), None);
        let file = Mount {
            id: 2,
            root: b"/7/mem".to_vec(),
            point: b"/x/status".to_vec(),
        };
        assert_eq!(file.within(b"/x/status"), Some(names("7/mem")));
        assert_eq!(file.within(b"/7/status"), None);
    }
}
