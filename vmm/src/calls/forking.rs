//! The service over a fork(2) of its process.

use std::sync::atomic::Ordering;

use pinion_abi::Errno;

use super::{files, processes, Service};

/// Everything of a service that a thread may hold for a moment, so that no other does.
pub struct Held<'a, I, M, J> {
    unfinished: files::Held<'a>,
    _identity: I,
    _mounts: M,
    _filters: J,
}

impl<I, M, J> Held<'_, I, M, J> {
    /// Makes it that of the new process, where no call is under way.
    pub fn reset(self) {
        self.unfinished.reset();
    }
}

impl Service {
    /// Makes the calling thread fit to fork: the child has its credentials.
    pub fn prepare_fork(&self) -> Result<(), Errno> {
        if self.no_new_privileges.load(Ordering::Relaxed) {
            processes::set_no_new_privileges()?;
        }
        self.identity.catch_up()
    }

    /// Keeps all other threads out for a moment.
    pub fn hold(&self) -> Held<'_, impl Drop + '_, impl Drop + '_, impl Drop + '_> {
        Held {
            unfinished: self.unfinished.hold(),
            _identity: self.identity.hold(),
            _mounts: self.mounts.hold(),
            _filters: self.judge.filters(),
        }
    }
}
