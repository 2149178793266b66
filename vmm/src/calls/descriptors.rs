//! The descriptors that the guest can name, and the calls that make and close them.
//!
//! A guest's descriptor N is the monitor's descriptor N, and the host's table is the one truth but
//! for one thing: the guest can name only what was *published* here. Two servers may work on
//! requests of one guest at once, so a number can be closed, reused and replaced while another call
//! is on its way with it. What makes that harmless:
//!
//! - The monitor's lasting descriptors are at `floor` and above, which are never published.
//! - Its passing ones may take low numbers for a moment. They are unpublished, so no call of the
//!   guest closes or replaces them ([`Table::replace`] never overwrites an unpublished number), and
//!   until their file has been checked they are O_PATH: a call that was given the number before it
//!   was reused can neither read nor write through it, and closing one drops no record locks.
//! - A number is unpublished before it is closed, and by only one of several closers.
//!
//! A thread of the guest can notice passing descriptors in the numbers that it gets while another
//! of its threads resolves a path. To hide that too, names are to be resolved in a server thread
//! with a descriptor table of its own.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering};

use pinion_abi::calls::commands::SIOCGIFCONF;
use pinion_abi::Errno;

use super::sockets::options;
use super::sys::{self, Failure, Outcome};
use super::Call;

/// What is known of a published descriptor; `FREE` and `BUSY` are unpublished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Free = 0,
    /// Being replaced by dup2(2).
    Busy = 1,
    /// Published, and nobody has looked yet.
    Unknown = 2,
    /// Reading and writing wait for a disk at most, if for anything.
    Regular = 3,
    /// Reading and writing can block.
    Other = 4,
    /// A /proc/PID/fd or /proc/PID/fdinfo: the monitor's own are left out of its listing.
    Listing = 5,
}

/// /dev/null, /dev/zero, /dev/full, /dev/urandom: they do not block, but with RWF_NOWAIT they stop as soon
/// as another thread wants the processor.
const NEVER_BLOCK: [(u32, u32); 4] = [(1, 3), (1, 5), (1, 7), (1, 9)];

impl Kind {
    /// That of a file of no proc file system.
    pub fn of(status: &libc::statx) -> Kind {
        let device = (status.stx_rdev_major, status.stx_rdev_minor);
        match sys::file_type(status) {
            libc::S_IFREG | libc::S_IFDIR => Kind::Regular,
            libc::S_IFCHR if NEVER_BLOCK.contains(&device) => Kind::Regular,
            _ => Kind::Other,
        }
    }

    fn from(state: u8) -> Kind {
        match state {
            0 => Kind::Free,
            1 => Kind::Busy,
            3 => Kind::Regular,
            4 => Kind::Other,
            5 => Kind::Listing,
            _ => Kind::Unknown,
        }
    }

    fn published(self) -> bool {
        self as u8 >= Kind::Unknown as u8
    }
}

#[derive(Debug)]
pub(super) struct Table {
    states: Box<[AtomicU8]>,
    /// No number above this one was ever published.
    highest: AtomicU32,
    /// The guest's RLIMIT_NOFILE, which is not the monitor's.
    soft: AtomicU64,
    hard: AtomicU64,
}

impl Table {
    /// A table of the numbers below `floor`, none published.
    pub fn new(floor: RawFd, nofile: (u64, u64)) -> Table {
        let zeros = vec![0u8; usize::try_from(floor).unwrap_or(0)].into_boxed_slice();
        // SAFETY: AtomicU8 has the size, alignment and values of u8. The vector is not built from
        // AtomicU8 because only this one's pages stay untouched until they are used.
        let states = unsafe { Box::from_raw(Box::into_raw(zeros) as *mut [AtomicU8]) };
        Table {
            states,
            highest: AtomicU32::new(0),
            soft: AtomicU64::new(nofile.0),
            hard: AtomicU64::new(nofile.1),
        }
    }

    /// For a process that begins with the same descriptors.
    pub fn copy(&self) -> Table {
        let highest = self.highest.load(Ordering::Acquire);
        let copy = Table::new(self.floor(), self.limit());
        for (to, from) in copy
            .states
            .iter()
            .zip(&self.states[..])
            .take(highest as usize + 1)
        {
            to.store(from.load(Ordering::Acquire), Ordering::Relaxed);
        }
        copy.highest.store(highest, Ordering::Release);
        copy
    }

    pub fn floor(&self) -> RawFd {
        self.states.len() as RawFd
    }

    pub fn set_limit(&self, soft: u64, hard: u64) {
        self.soft.store(soft, Ordering::Relaxed);
        self.hard.store(hard, Ordering::Relaxed);
    }

    /// (soft, hard).
    pub fn limit(&self) -> (u64, u64) {
        (
            self.soft.load(Ordering::Relaxed),
            self.hard.load(Ordering::Relaxed),
        )
    }

    /// Numbers from here on are not given to the guest.
    pub fn end(&self) -> RawFd {
        let soft = RawFd::try_from(self.limit().0).unwrap_or(RawFd::MAX);
        soft.min(self.floor())
    }

    fn state(&self, fd: RawFd) -> Option<&AtomicU8> {
        self.states.get(usize::try_from(fd).ok()?)
    }

    pub fn kind(&self, fd: RawFd) -> Kind {
        self.state(fd).map_or(Kind::Free, |state| {
            Kind::from(state.load(Ordering::Acquire))
        })
    }

    /// Whether the guest can name a number.
    pub fn visible(&self, fd: RawFd) -> bool {
        self.kind(fd).published()
    }

    /// Lets the guest name a descriptor that was made for it; beyond its limit: EMFILE.
    pub fn publish(&self, fd: RawFd, kind: Kind) -> Result<i64, Errno> {
        match self.state(fd) {
            Some(state) if fd < self.end() => {
                self.highest.fetch_max(fd as u32, Ordering::AcqRel);
                state.store(kind as u8, Ordering::Release);
                Ok(fd.into())
            }
            _ => {
                let _ = sys::close(fd);
                Err(Errno::EMFILE)
            }
        }
    }

    /// Publishes two that were made for the guest, as pipe(2) tells them, or neither.
    pub fn publish_pair(&self, pair: u64) -> Result<(), Errno> {
        let (first, second) = (pair as RawFd, (pair >> 32) as RawFd);
        if let Err(errno) = self.publish(first, Kind::Other) {
            let _ = sys::close(second);
            return Err(errno);
        }
        if let Err(errno) = self.publish(second, Kind::Other) {
            let _ = self.close(first);
            return Err(errno);
        }
        Ok(())
    }

    /// EMFILE if the guest can have no other descriptor. `fd` is one that it has.
    pub fn check_room(&self, fd: RawFd) -> Result<(), Errno> {
        /// More than the servers of a guest have on their way at once.
        const SPARE: u32 = 256;
        let highest = self.highest.load(Ordering::Acquire);
        if highest.saturating_add(SPARE) < self.end() as u32 {
            return Ok(());
        }
        let next = sys::fcntl(fd, libc::F_DUPFD_CLOEXEC, 0)? as RawFd;
        let _ = sys::close(next);
        if next < self.end() {
            Ok(())
        } else {
            Err(Errno::EMFILE)
        }
    }

    /// Publishes what the monitor was started with.
    pub fn inherit(&self, fd: RawFd) {
        if let Some(state) = self.state(fd) {
            self.highest.fetch_max(fd as u32, Ordering::AcqRel);
            state.store(Kind::Unknown as u8, Ordering::Release);
        }
    }

    /// Remembers what a look at a descriptor has shown.
    pub fn learn(&self, fd: RawFd, kind: Kind) {
        if let Some(state) = self.state(fd) {
            let unknown = Kind::Unknown as u8;
            let _ =
                state.compare_exchange(unknown, kind as u8, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Takes a published number away from the guest: true for one of several callers.
    fn withdraw(&self, fd: RawFd, to: Kind) -> Option<Kind> {
        let state = self.state(fd)?;
        let published = |old| Kind::from(old).published().then_some(to as u8);
        state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, published)
            .ok()
            .map(Kind::from)
    }

    pub fn close(&self, fd: RawFd) -> Result<i64, Errno> {
        self.withdraw(fd, Kind::Free).ok_or(Errno::EBADF)?;
        sys::close(fd)
    }

    /// dup3(2) without its check for equal numbers. If another call's passing descriptor has the
    /// number: EBUSY, as dup2(2) has it for a race with open(2).
    pub fn replace(&self, old: RawFd, new: RawFd, flags: i32) -> Result<i64, Errno> {
        if new < 0 || new >= self.end() {
            return Err(Errno::EBADF);
        }
        let Some(kind) = self.withdraw(new, Kind::Busy) else {
            return self.fill(old, new, flags);
        };
        // SAFETY: dup3 takes no pointers.
        let result =
            unsafe { sys::call(libc::SYS_dup3, [old, new, flags, 0, 0, 0].map(sys::word)) };
        let kind = if result.is_ok() { Kind::Unknown } else { kind };
        if let Some(state) = self.state(new) {
            state.store(kind as u8, Ordering::Release);
        }
        result
    }

    /// Duplicates `old` to the unpublished number `new`, if it is free.
    fn fill(&self, old: RawFd, new: RawFd, flags: i32) -> Result<i64, Errno> {
        let cloexec = flags & libc::O_CLOEXEC != 0;
        let command = if cloexec {
            libc::F_DUPFD_CLOEXEC
        } else {
            libc::F_DUPFD
        };
        let fd = sys::fcntl(old, command, new as u64)? as RawFd;
        if fd == new {
            return self.publish(fd, Kind::Unknown);
        }
        let _ = sys::close(fd);
        Err(Errno(libc::EBUSY))
    }
}

/// close(2).
pub(super) fn close(call: &mut Call) -> Outcome {
    Ok(call.service.table.close(call.args.fd(0))?)
}

/// Calls that return one new descriptor and do not block: dup(2), epoll_create1(2), eventfd2(2),
/// timerfd_create(2), memfd_create(2).
pub(super) fn make(call: &mut Call) -> Outcome {
    let fd = call.make()? as RawFd;
    Ok(call.service.table.publish(fd, Kind::Unknown)?)
}

/// signalfd(2): a new descriptor, or a new set for one that there is.
pub(super) fn signalfd(call: &mut Call) -> Outcome {
    let fd = call.args.fd(0);
    if fd == -1 {
        return make(call);
    }
    if !call.service.table.visible(fd) {
        return Err(Errno::EBADF.into());
    }
    call.make()
}

/// pipe(2), pipe2(2).
pub(super) fn pipe(call: &mut Call) -> Outcome {
    call.args.data(0)?;
    let result = call.make()?;
    let pair = super::decode::number(call.args.data(0)?, 0);
    call.service.table.publish_pair(pair)?;
    Ok(result)
}

/// dup2(2). Its second number need not be open yet, so the row cannot call it a descriptor that
/// the guest has.
pub(super) fn dup2(call: &mut Call) -> Outcome {
    let (old, new) = (call.args.fd(0), call.args.fd(1));
    let table = &call.service.table;
    if !table.visible(old) {
        return Err(Errno::EBADF.into());
    }
    if old == new {
        return Ok(new.into());
    }
    Ok(table.replace(old, new, 0)?)
}

/// dup3(2).
pub(super) fn dup3(call: &mut Call) -> Outcome {
    let (old, new, flags) = (call.args.fd(0), call.args.fd(1), call.args.int(2));
    if flags & !libc::O_CLOEXEC != 0 || old == new {
        return Err(Errno::EINVAL.into());
    }
    if !call.service.table.visible(old) {
        return Err(Errno::EBADF.into());
    }
    Ok(call.service.table.replace(old, new, flags)?)
}

/// close_range(2) of what the guest can name.
pub(super) fn close_range(call: &mut Call) -> Outcome {
    /// linux/close_range.h: a table of its own first, which a lone process has anyway.
    const UNSHARE: u32 = 2;
    const CLOEXEC: u32 = 4;
    let (first, last) = (call.args.number(0) as u32, call.args.number(1) as u32);
    let flags = call.args.number(2) as u32;
    if flags & !(UNSHARE | CLOEXEC) != 0 || first > last {
        return Err(Errno::EINVAL.into());
    }
    let table = &call.service.table;
    let last = last.min(table.highest.load(Ordering::Acquire));
    for fd in first..=last {
        let fd = fd as RawFd;
        if !table.visible(fd) {
            continue;
        }
        if flags & CLOEXEC != 0 {
            let _ = sys::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC as u64);
        } else {
            let _ = table.close(fd);
        }
    }
    Ok(0)
}

/// ioctl_tty(2): makes a descriptor.
const TIOCGPTPEER: u32 = 0x5441;

/// ioctl(2).
pub(super) fn ioctl(call: &mut Call) -> Outcome {
    match call.args.int(1) as u32 {
        TIOCGPTPEER => make(call),
        SIOCGIFCONF => options::interfaces(call),
        _ => call.make(),
    }
}

/// fcntl(2).
pub(super) fn fcntl(call: &mut Call) -> Outcome {
    let (fd, command) = (call.args.fd(0), call.args.int(1));
    match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => {
            let least = call.args.number(2);
            let table = &call.service.table;
            if least >= table.end() as u64 {
                return Err(Errno::EINVAL.into());
            }
            let fd = sys::fcntl(fd, command, least)? as RawFd;
            Ok(table.publish(fd, Kind::Unknown)?)
        }
        libc::F_SETLKW | libc::F_OFD_SETLKW if !call.may_block => {
            let try_it = if command == libc::F_SETLKW {
                libc::F_SETLK
            } else {
                libc::F_OFD_SETLK
            };
            let words = call.args.words();
            let args = [words[0], try_it as u64, words[2], 0, 0, 0];
            // SAFETY: the third argument is the monitor's copy of a struct flock, or null.
            match unsafe { sys::call(libc::SYS_fcntl, args) } {
                Err(Errno::EAGAIN | Errno::EACCES) => Err(Failure::WouldBlock),
                other => Ok(other?),
            }
        }
        _ => call.make(),
    }
}
