//! execve(2) of the guest, asked by the vCPU's own thread: what it asks is copied out of the guest's
//! memory, and [`crate::exec`] does it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use pinion_abi::Errno;

use super::server::Server;
use super::{Known, Runner};
use crate::calls::GuestMemory;
use crate::container::fds;
use crate::errno::{self, check_fd};
use crate::exec::{self, Request};
use crate::limits;

impl Runner {
    /// Answers the slot only when the program goes on.
    pub(super) fn exec(&self, slot: usize, address: u64, bytes: u64) {
        let server = &self.server;
        let result = read(server, address, bytes).and_then(|request| {
            if !server.service().may_make(&EXECUTE) {
                return Err(Errno::EPERM);
            }
            // The new program has the guest's credentials.
            server.service().prepare_fork()?;
            exec::execute(
                request,
                server.service(),
                &self.factory,
                |believed| Known::of(&self.factory, server, believed),
                server.machinery.verbose,
            )
        });
        let result = result.map_or_else(Errno::as_result, |()| 0);
        server.answer(slot, result);
    }
}

/// execve(2), execveat(2).
const EXECUTE: [u32; 2] = [59, 322];

fn read(server: &Server, address: u64, bytes: u64) -> Result<Request, Errno> {
    if bytes > Request::MOST {
        return Err(Errno::E2BIG);
    }
    Request::parse(&server.copy_of(address, bytes)?)
}

impl Server {
    /// A copy of guest-physical memory. By way of a file: there may be pages that are not to be had,
    /// which the host tells by an error.
    pub(super) fn copy_of(&self, address: u64, bytes: u64) -> Result<Vec<u8>, Errno> {
        let mut copy = vec![0; bytes as usize];
        if bytes == 0 {
            return Ok(copy);
        }
        let from = self.memory.host(address, bytes).ok_or(Errno::EFAULT)?;
        // SAFETY: the name is a C string; the range lies in the guest's memory, which the host only
        // reads.
        let file = unsafe {
            let file = check_fd(libc::memfd_create(c"copy".as_ptr(), libc::MFD_CLOEXEC));
            let file = file.and_then(fds::make_private).map_err(own)?;
            let write = || libc::write(file.as_raw_fd(), from.cast(), bytes as usize);
            let written = limits::unlimited_files(write);
            match u64::try_from(written) {
                Ok(written) if written == bytes => File::from(file),
                _ => return Err(Errno::EFAULT),
            }
        };
        file.read_exact_at(&mut copy, 0)
            .map_err(|error| own(error.into()))?;
        Ok(copy)
    }
}

fn own(errno: errno::Errno) -> Errno {
    Errno(errno.0)
}
