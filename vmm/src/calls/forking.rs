//! The service over a fork(2) of its process.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use pinion_abi::Errno;

use super::mounts::Mounts;
use super::{files, identity, streams, Service};

/// Everything of a service that a thread may hold for a moment, so that no other does.
pub struct Held<'a, I, M, J> {
    unfinished: files::Held<'a>,
    streams: streams::Watched<'a>,
    _identity: I,
    _mounts: M,
    _filters: J,
}

impl<I, M, J> Held<'_, I, M, J> {
    /// Makes it that of the new process, where no call is under way.
    pub fn reset(mut self) {
        self.unfinished.reset();
        self.streams.clear();
    }
}

impl Service {
    /// Makes the calling thread fit to fork: the child has its credentials.
    pub fn prepare_fork(&self) -> Result<(), Errno> {
        self.identity.catch_up()
    }

    /// A service for a child of vfork(2), which has the same numbers of descriptors, and changes them
    /// for itself. It is never to be dropped in this process.
    pub fn of_child(&self) -> Result<Service, Errno> {
        // SAFETY: in the child's table the numbers are those of descriptors of its own.
        let again = |fd: &OwnedFd| unsafe { OwnedFd::from_raw_fd(fd.as_raw_fd()) };
        Ok(Service {
            table: self.table.copy(),
            proc: again(&self.proc),
            executable: again(&self.executable),
            executable_path: self.executable_path.clone(),
            arguments: self.arguments.clone(),
            environment: self.environment.clone(),
            mounts: Mounts::new(self.table.floor()),
            identity: self.identity.copy(),
            judge: self.judge.copy(),
            unfinished: files::Unfinished::default(),
            streams: streams::Streams::default(),
            view: self.view.clone(),
            census: self.census.clone(),
        })
    }

    /// What of the guest's credentials the calling thread has taken over, for [`Service::restore_seen`].
    pub fn seen(&self) -> u64 {
        identity::seen()
    }

    /// The calling thread has the credentials that it had then.
    pub fn restore_seen(&self, seen: u64) {
        identity::restore_seen(seen);
    }

    /// Keeps all other threads out for a moment.
    pub fn hold(&self) -> Held<'_, impl Drop + '_, impl Drop + '_, impl Drop + '_> {
        Held {
            unfinished: self.unfinished.hold(),
            streams: self.streams.hold(),
            _identity: self.identity.hold(),
            _mounts: self.mounts.hold(),
            _filters: self.judge.filters(),
        }
    }
}
