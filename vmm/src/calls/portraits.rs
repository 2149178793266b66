//! Texts of a process directory in /proc that tell of the guest's process, where the host's would tell of
//! its monitor: made of the host's own and of what the guest's kernel keeps for it ([`crate::portrait`]).

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::RawFd;

use pinion_abi::Errno;

use super::{sys, Service};
use crate::portrait::{self, Process, View};

/// The text of an entry: of the process, or of one of its threads other than the first.
pub(super) type Text = fn(&Service, Option<u32>) -> Result<Vec<u8>, Errno>;

impl Service {
    /// From now on it tells of the guest that has this memory.
    pub fn look_at(&self, view: View) {
        // A service has one guest.
        let _ = self.view.set(view);
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
