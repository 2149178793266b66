//! Texts of a process directory in /proc that tell of the guest's process, where the host's would tell of
//! its monitor: made of the host's own and of what the guest's kernel keeps for it ([`crate::portrait`]).

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, RawFd};

use pinion_abi::Errno;

use super::names::descriptor_name;
use super::{identity, procfs, sys, Service};
use crate::census::{self, Census, OfUser};
use crate::portrait::{self, Process, View};

/// The text of an entry: of the process, or of one of its threads other than the first.
pub(super) type Text = fn(&Service, Option<u32>) -> Result<Vec<u8>, Errno>;

impl Service {
    /// From now on it tells of the guest that has this memory.
    pub fn look_at(&self, view: View, census: Option<Census>) {
        // A service has one guest.
        let _ = self.view.set(view);
        if let Some(census) = census {
            let _ = self.census.set(census);
        }
    }

    pub(super) fn view(&self) -> Result<View, Errno> {
        self.view.get().copied().ok_or(Errno::EACCES)
    }

    fn portrait<T>(&self, make: impl FnOnce(&Process) -> T) -> Result<T, Errno> {
        // Of a process that is not dumpable it is root's.
        let pagemap = self.open_own(c"self/pagemap").ok();
        let process = Process {
            view: self.view()?,
            mapped: self.read_own(c"self/maps")?,
            pagemap: pagemap.as_ref(),
            filters: self.judge.filters().len(),
        };
        Ok(make(&process))
    }

    /// What RLIMIT_NPROC says of the guest; none of those whom it does not hold (setrlimit(2)).
    pub fn user_limit(&self) -> Option<OfUser> {
        /// linux/capability.h: CAP_SYS_ADMIN, CAP_SYS_RESOURCE.
        const EXEMPT: u32 = 1 << 21 | 1 << 24;
        let most = self.view.get()?.limit(libc::RLIMIT_NPROC as usize);
        // SAFETY: getuid(2) takes nothing.
        let user = unsafe { libc::getuid() };
        let free = most == u64::MAX || user == 0 || identity::has(EXEMPT);
        (!free).then_some(OfUser { user, most })
    }

    /// The processes of the container.
    pub fn pids(&self) -> Result<Vec<u32>, Errno> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let proc = sys::own(sys::openat(self.proc(), c".", flags, 0)?);
        let proc = super::raise(proc, self.table.floor())?;
        let mut entries = vec![0; 32 << 10];
        let mut pids = Vec::new();
        loop {
            let bytes = sys::getdents(proc.as_raw_fd(), &mut entries)?;
            if bytes == 0 {
                return Ok(pids);
            }
            procfs::retain(&mut entries[..bytes], |name| {
                pids.extend(procfs::number(name));
                true
            });
        }
    }

    /// What the container's pids.max tells of the container's own tasks: the host has a limit of its
    /// own there. None for all other files.
    pub(super) fn tasks_text(&self, fd: RawFd) -> Result<Option<Vec<u8>>, Errno> {
        let Some(limit) = self.census.get().and_then(Census::limit) else {
            return Ok(None);
        };
        let group = [libc::CGROUP_SUPER_MAGIC, libc::CGROUP2_SUPER_MAGIC];
        if !group.contains(&sys::file_system(fd)?) {
            return Ok(None);
        }
        let name = descriptor_name(fd);
        if !sys::readlink(self.proc(), &name)?.ends_with(b"/pids.max") {
            return Ok(None);
        }
        let text = self.read_own(&name)?;
        let own = text == format!("{}\n", census::host_tasks(limit)).as_bytes();
        Ok(own.then(|| format!("{limit}\n").into_bytes()))
    }

    /// A file of the monitor's own /proc, above the guest's descriptors.
    fn open_own(&self, path: &CStr) -> Result<File, Errno> {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        let file: RawFd = sys::openat(self.proc(), path, flags, 0)?;
        super::raise(sys::own(file), self.table.floor()).map(File::from)
    }

    fn read_own(&self, path: &CStr) -> Result<Vec<u8>, Errno> {
        let mut text = Vec::new();
        let read = self.open_own(path)?.read_to_end(&mut text);
        read.map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
        Ok(text)
    }
}

pub(super) fn maps(service: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    service.portrait(portrait::maps)
}

pub(super) fn smaps(service: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    service.portrait(portrait::smaps)
}

pub(super) fn smaps_rollup(service: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    service.portrait(portrait::smaps_rollup)
}

pub(super) fn auxv(service: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    service.view().map(portrait::auxiliary)
}

/// Without a guest to look at, the host's stand for them.
pub(super) fn limits(service: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    match service.view() {
        Ok(view) => Ok(portrait::limits(view)),
        Err(_) => service.read_own(c"self/limits"),
    }
}

pub(super) fn status(service: &Service, thread: Option<u32>) -> Result<Vec<u8>, Errno> {
    let host = service.read_own(c"self/status")?;
    match service.view() {
        Ok(_) => service.portrait(|process| portrait::status(process, &host, thread)),
        Err(_) => Ok(host),
    }
}

pub(super) fn stat(service: &Service, thread: Option<u32>) -> Result<Vec<u8>, Errno> {
    let host = service.read_own(c"self/stat")?;
    match service.view() {
        Ok(_) => service.portrait(|process| portrait::stat(process, &host, thread)),
        Err(_) => Ok(host),
    }
}

pub(super) fn statm(service: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    match service.view() {
        Ok(_) => service.portrait(portrait::statm),
        Err(_) => service.read_own(c"self/statm"),
    }
}

/// The name of a thread.
pub(super) fn comm(service: &Service, thread: Option<u32>) -> Result<Vec<u8>, Errno> {
    let threads = service.view()?.threads();
    let wanted = |known: &&portrait::Thread| thread.is_none_or(|id| known.id == id);
    let thread = threads.iter().find(wanted).ok_or(Errno::ENOENT)?;
    Ok([&thread.name[..], b"\n"].concat())
}

/// Only the first thread has children: the host's.
pub(super) fn children(_: &Service, _: Option<u32>) -> Result<Vec<u8>, Errno> {
    Ok(Vec::new())
}
