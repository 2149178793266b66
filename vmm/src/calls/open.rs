//! open(2) and its kin.
//!
//! A file is first resolved to an O_PATH descriptor, judged by what it is, and then opened anew
//! through the monitor's own /proc, so that what was judged is what is opened. The passing
//! descriptor moves out of the way before that, for the guest gets the lowest free number; and the
//! guest's descriptor is opened once and never duplicated, for closing a duplicate would drop the
//! process's record locks on the file.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use pinion_abi::channel::DATA;
use pinion_abi::Errno;

use super::descriptors::Kind;
use super::names::{self, NO_MAGICLINKS, NO_XDEV};
use super::procfs::Access;
use super::sys::{self, Failure, OpenHow, Outcome};
use super::{decode, raise, Call, Service};
use crate::limits;

/// asm-generic/fcntl.h; libc's O_LARGEFILE is 0 and its O_TMPFILE has O_DIRECTORY in it.
const LARGEFILE: i32 = 0o100_000;
const TMPFILE: i32 = 0o20_000_000;
/// linux/fcntl.h: VALID_OPEN_FLAGS, and what of them goes with O_PATH.
const VALID: i32 = libc::O_ACCMODE
    | libc::O_CREAT
    | libc::O_EXCL
    | libc::O_NOCTTY
    | libc::O_TRUNC
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_SYNC
    | libc::O_ASYNC
    | libc::O_DIRECT
    | LARGEFILE
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_NOATIME
    | libc::O_CLOEXEC
    | libc::O_PATH
    | TMPFILE;
const VALID_WITH_PATH: i32 = libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_PATH | libc::O_CLOEXEC;
const MODE: u64 = 0o7777;

/// linux/openat2.h: all RESOLVE_ flags; two that exclude each other; one that asks for speed only.
const VALID_RESOLVE: u64 = 0x3f;
const BENEATH_AND_IN_ROOT: u64 = 0x18;
const CACHED: u64 = 0x20;

/// Linux's MAXSYMLINKS.
const MAX_LINKS: usize = 40;

/// What a guest asks for.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    flags: i32,
    mode: u64,
    resolve: u64,
    may_block: bool,
}

impl Wanted {
    /// As open(2) takes its arguments: what it does not know is ignored.
    fn lenient(call: &Call, flags: i32, mode: u64) -> Wanted {
        let mut flags = flags & VALID;
        if flags & libc::O_PATH != 0 {
            flags &= VALID_WITH_PATH;
        }
        let creates = flags & (libc::O_CREAT | TMPFILE) != 0;
        let mode = if creates { mode & MODE } else { 0 };
        Wanted {
            flags,
            mode,
            resolve: 0,
            may_block: call.may_block,
        }
    }

    /// As openat2(2) takes its own.
    fn strict(call: &Call, how: OpenHow) -> Result<Wanted, Errno> {
        let flags = i32::try_from(how.flags).map_err(|_| Errno::EINVAL)?;
        let valid = if flags & libc::O_PATH != 0 {
            VALID_WITH_PATH
        } else {
            VALID
        };
        let creates = flags & (libc::O_CREAT | TMPFILE) != 0;
        let mode_is_wrong = if creates {
            how.mode & !MODE != 0
        } else {
            how.mode != 0
        };
        let both = how.resolve & BENEATH_AND_IN_ROOT == BENEATH_AND_IN_ROOT;
        if flags & !valid != 0 || mode_is_wrong || how.resolve & !VALID_RESOLVE != 0 || both {
            return Err(Errno::EINVAL);
        }
        if how.resolve & CACHED != 0 {
            return Err(Errno::EAGAIN);
        }
        Ok(Wanted {
            flags,
            mode: how.mode,
            resolve: how.resolve,
            may_block: call.may_block,
        })
    }

    fn has(&self, flags: i32) -> bool {
        self.flags & flags == flags
    }
}

/// open(2).
pub(super) fn open(call: &mut Call) -> Outcome {
    let wanted = Wanted::lenient(call, call.args.int(1), call.args.number(2));
    let fd = call
        .service
        .open(libc::AT_FDCWD, call.args.path(0)?, wanted)?;
    tell_state(call, fd, wanted, call.args.number(3));
    Ok(fd)
}

/// Tells the state of a regular file that was opened for reading.
fn tell_state(call: &Call, fd: i64, wanted: Wanted, offset: u64) {
    let reads = wanted.flags & (libc::O_ACCMODE | libc::O_PATH) == libc::O_RDONLY;
    let Ok(at @ DATA..) = usize::try_from(offset) else {
        return;
    };
    // SAFETY: struct stat consists of integers; zero is a value of each.
    let mut state: libc::stat = unsafe { std::mem::zeroed() };
    let args = [fd as u64, &raw mut state as u64, 0, 0, 0, 0];
    // SAFETY: fstat(2) fills the structure.
    let told = reads && unsafe { sys::call(libc::SYS_fstat, args) }.is_ok();
    let bytes = match told && state.st_mode & libc::S_IFMT == libc::S_IFREG {
        // SAFETY: a structure without padding that is not initialised: it was zeroed.
        true => unsafe { std::mem::transmute::<libc::stat, [u8; size_of::<libc::stat>()]>(state) },
        false => [0; size_of::<libc::stat>()],
    };
    // A slot without room for it is of a kernel that asks for nothing.
    let _ = call.slot.copy_out(at, &bytes);
}

/// creat(2).
pub(super) fn creat(call: &mut Call) -> Outcome {
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
    let wanted = Wanted::lenient(call, flags, call.args.number(1));
    call.service
        .open(libc::AT_FDCWD, call.args.path(0)?, wanted)
}

/// openat(2).
pub(super) fn openat(call: &mut Call) -> Outcome {
    let wanted = Wanted::lenient(call, call.args.int(2), call.args.number(3));
    let fd = call
        .service
        .open(call.args.fd(0), call.args.path(1)?, wanted)?;
    tell_state(call, fd, wanted, call.args.number(4));
    Ok(fd)
}

/// openat2(2).
pub(super) fn openat2(call: &mut Call) -> Outcome {
    let bytes: &[u8] = call.args.data(2)?;
    if bytes.len() < size_of::<OpenHow>() {
        return Err(Errno::EINVAL.into());
    }
    if bytes[size_of::<OpenHow>()..].iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG.into());
    }
    let [flags, mode, resolve] = [0, 8, 16].map(|at| decode::number(bytes, at));
    let wanted = Wanted::strict(
        call,
        OpenHow {
            flags,
            mode,
            resolve,
        },
    )?;
    call.service
        .open(call.args.fd(0), call.args.path(1)?, wanted)
}

impl Service {
    fn open(&self, dir: RawFd, path: &CStr, wanted: Wanted) -> Outcome {
        if wanted.has(libc::O_PATH) {
            return Ok(self.open_path(dir, path, wanted)?);
        }
        if wanted.has(TMPFILE) {
            return Ok(self.open_unnamed(dir, path, wanted)?);
        }
        if wanted.has(libc::O_CREAT | libc::O_DIRECTORY) {
            return Err(Errno::EINVAL.into());
        }
        if wanted.has(libc::O_CREAT) {
            return self.create(dir, path, wanted);
        }
        if wanted.resolve == 0 && path.to_bytes().starts_with(b"/") {
            if let Some(fd) = self.open_at_once(path, wanted)? {
                return Ok(fd);
            }
        }
        if let Some((tasks, id, rest)) = self.thread_of(dir, path) {
            // The host does not know of it.
            if let Some(text) = self.thread_text(&tasks, id, &rest) {
                return Ok(self.open_text(&text?, wanted)?);
            }
        }
        let file = self.find(dir, path, wanted)?;
        self.open_found(dir, path, file, wanted)
    }

    /// Opens an absolute path that stays on the root directory's mount, as most do, in one step:
    /// there is no /proc on it (`Service::new` and chroot(2) see to that). None if it leads
    /// elsewhere, or to what may block. That is looked up first; whoever puts a FIFO in the place of
    /// a file in between stops nothing but this guest.
    fn open_at_once(&self, path: &CStr, wanted: Wanted) -> Result<Option<i64>, Errno> {
        let mut kind = Kind::Unknown;
        if !wanted.may_block {
            let stat = sys::stat_path(libc::AT_FDCWD, path, 0, libc::STATX_TYPE);
            match stat.map(|stat| sys::file_type(&stat)) {
                Ok(libc::S_IFREG | libc::S_IFDIR) => kind = Kind::Regular,
                _ => return Ok(None),
            }
        }
        let how = OpenHow {
            flags: wanted.flags as u64,
            mode: 0,
            resolve: NO_MAGICLINKS | NO_XDEV,
        };
        match sys::openat2(libc::AT_FDCWD, path, how) {
            Ok(fd) => self.table.publish(fd, kind).map(Some),
            Err(Errno::EXDEV | Errno::ELOOP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Resolves what is to be opened, to an O_PATH descriptor.
    fn find(&self, dir: RawFd, path: &CStr, wanted: Wanted) -> Result<OwnedFd, Errno> {
        let flags = wanted.flags & (libc::O_DIRECTORY | libc::O_NOFOLLOW);
        if wanted.resolve == 0 {
            self.resolve(dir, path, flags)
        } else {
            names::open_path(dir, path, flags, wanted.resolve | NO_MAGICLINKS)
        }
    }

    fn open_path(&self, dir: RawFd, path: &CStr, wanted: Wanted) -> Result<i64, Errno> {
        let file = self.find(dir, path, wanted)?;
        let file = raise(file, self.table.floor())?;
        let cloexec = wanted.has(libc::O_CLOEXEC);
        let command = if cloexec {
            libc::F_DUPFD_CLOEXEC
        } else {
            libc::F_DUPFD
        };
        let fd = sys::fcntl(file.as_raw_fd(), command, 0)?;
        self.table.publish(fd as RawFd, Kind::Other)
    }

    /// O_TMPFILE: a new file, so there is nothing to judge.
    fn open_unnamed(&self, dir: RawFd, path: &CStr, wanted: Wanted) -> Result<i64, Errno> {
        let how = OpenHow {
            flags: wanted.flags as u64,
            mode: wanted.mode,
            resolve: wanted.resolve | NO_MAGICLINKS,
        };
        let fd = match sys::openat2(dir, path, how) {
            Err(Errno::ELOOP) if wanted.resolve == 0 => {
                let dir = self.walk(dir, path, libc::O_DIRECTORY)?;
                let dir = raise(dir, self.table.floor())?;
                sys::openat2(dir.as_raw_fd(), c".", how)?
            }
            other => other?,
        };
        self.table.publish(fd, Kind::Regular)
    }

    /// O_CREAT: opens what is there, or else makes a file where nothing is.
    fn create(&self, dir: RawFd, path: &CStr, wanted: Wanted) -> Outcome {
        // A slash at the end: the kernel refuses before it looks for the name.
        let refused = names::names_directory(path.to_bytes());
        let exclusive = wanted.has(libc::O_EXCL) || refused;
        let how = OpenHow {
            flags: (wanted.flags | libc::O_EXCL) as u64,
            mode: wanted.mode,
            resolve: wanted.resolve | NO_MAGICLINKS,
        };
        let mut parent: Option<OwnedFd>;
        let (mut dir, mut path) = (dir, path.to_owned());
        for _ in 0..MAX_LINKS {
            if !exclusive {
                match self.find(dir, &path, wanted) {
                    Ok(file) => return self.open_found(dir, &path, file, wanted),
                    Err(Errno::ENOENT) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            let (base, name) = self.parent(dir, &path, wanted)?;
            let base_fd = base.as_ref().map_or(dir, AsRawFd::as_raw_fd);
            match sys::openat2(base_fd, &name, how) {
                Ok(fd) => return Ok(self.table.publish(fd, Kind::Regular)?),
                Err(Errno::EEXIST) if !exclusive => {}
                Err(errno) => return Err(errno.into()),
            }
            // A link that leads nowhere, whose target is to be made; or another was faster.
            if let Ok(text) = sys::readlink(base_fd, &name) {
                path = CString::new(text).map_err(|_| Errno::EINVAL)?;
                parent = base;
                dir = parent.as_ref().map_or(dir, AsRawFd::as_raw_fd);
            }
        }
        Err(Errno::ELOOP.into())
    }

    /// The directory in which to make a file, out of the way, and the file's name.
    fn parent(
        &self,
        dir: RawFd,
        path: &CStr,
        wanted: Wanted,
    ) -> Result<(Option<OwnedFd>, CString), Errno> {
        let (parent, name) = names::split(path.to_bytes());
        let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
        if parent.is_empty() {
            return Ok((None, name));
        }
        let parent = CString::new(parent).map_err(|_| Errno::EINVAL)?;
        let flags = libc::O_DIRECTORY;
        let dir = self.find(dir, &parent, Wanted { flags, ..wanted })?;
        self.raise(dir).map(|dir| (Some(dir), name))
    }

    /// Moves a passing descriptor out of the way. It had the number that the guest is to get.
    fn raise(&self, fd: OwnedFd) -> Result<OwnedFd, Errno> {
        if fd.as_raw_fd() >= self.table.end() {
            return Err(Errno::EMFILE);
        }
        raise(fd, self.table.floor())
    }

    /// Opens an existing file that `file` is an O_PATH descriptor of.
    fn open_found(&self, dir: RawFd, path: &CStr, file: OwnedFd, wanted: Wanted) -> Outcome {
        let stat = sys::describe(file.as_raw_fd())?;
        let kind = match sys::file_type(&stat) {
            libc::S_IFLNK => return Err(Errno::ELOOP.into()),
            libc::S_IFDIR if wanted.has(libc::O_CREAT) => return Err(Errno::EISDIR.into()),
            _ => Kind::of(&stat),
        };
        if !wanted.may_block && opening_blocks(&stat, wanted.flags) {
            return Err(Failure::WouldBlock);
        }
        let (file, kind) = match kind {
            Kind::Regular if sys::is_proc(file.as_raw_fd())? => {
                match self.proc_access(file.as_raw_fd())? {
                    Access::File(kind) => (file, kind),
                    Access::Text(text) => {
                        drop(file);
                        return Ok(self.open_text(&text, wanted)?);
                    }
                    Access::Thread => {
                        drop(file);
                        self.find_of_thread(dir, path, wanted)?
                    }
                }
            }
            Kind::Regular if wanted.flags & libc::O_ACCMODE == libc::O_RDONLY => {
                match self.tasks_text(file.as_raw_fd())? {
                    Some(text) => {
                        drop(file);
                        return Ok(self.open_text(&text, wanted)?);
                    }
                    None => (file, kind),
                }
            }
            kind => (file, kind),
        };
        let file = self.raise(file)?;
        let mut flags = wanted.flags & !(libc::O_CREAT | libc::O_NOFOLLOW);
        if wanted.has(libc::O_CREAT) {
            flags &= !libc::O_EXCL;
        }
        let fd = self.anew(file.as_raw_fd(), flags)?;
        Ok(self.table.publish(fd, kind)?)
    }

    /// Resolves a path in which `thread-self` stands for the guest's thread.
    fn find_of_thread(
        &self,
        dir: RawFd,
        path: &CStr,
        wanted: Wanted,
    ) -> Result<(OwnedFd, Kind), Errno> {
        let file = self.walk(
            dir,
            path,
            wanted.flags & (libc::O_DIRECTORY | libc::O_NOFOLLOW),
        )?;
        match self.proc_access(file.as_raw_fd())? {
            Access::File(kind) => Ok((file, kind)),
            Access::Text(_) | Access::Thread => Err(Errno::EACCES),
        }
    }

    /// A file to read a text from, in place of one that would tell of the monitor.
    fn open_text(&self, text: &[u8], wanted: Wanted) -> Result<i64, Errno> {
        if wanted.flags & libc::O_ACCMODE != libc::O_RDONLY {
            return Err(Errno::EACCES);
        }
        let args = [
            sys::pointer(c"proc"),
            u64::from(libc::MFD_CLOEXEC),
            0,
            0,
            0,
            0,
        ];
        // SAFETY: the name outlives the call, which only reads it.
        let file = sys::own(unsafe { sys::call(libc::SYS_memfd_create, args) }? as RawFd);
        let file = self.raise(file)?;
        limits::unlimited_files(|| sys::write_all(file.as_raw_fd(), text))?;
        let flags = wanted.flags & (libc::O_CLOEXEC | libc::O_NONBLOCK);
        let fd = self.anew(file.as_raw_fd(), libc::O_RDONLY | flags)?;
        self.table.publish(fd, Kind::Regular)
    }
}

/// Whether opening a file can wait: a FIFO does for its other end, a device for whatever it likes.
/// Memory devices and terminals (devices.txt: 1, 5, 136 to 143) do not.
fn opening_blocks(stat: &libc::statx, flags: i32) -> bool {
    if flags & libc::O_NONBLOCK != 0 {
        return false;
    }
    match sys::file_type(stat) {
        libc::S_IFIFO => flags & libc::O_ACCMODE != libc::O_RDWR,
        libc::S_IFCHR => !matches!(stat.stx_rdev_major, 1 | 5 | 136..=143),
        _ => false,
    }
}
