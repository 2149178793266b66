//! Threads: the unikernel's own, any number of them on the vCPUs.
//!
//! The kernel itself is not preempted: a kick of the monitor takes effect in the program, or when
//! the kernel goes back to it. And one vCPU at a time is in it ([`crate::vcpus`]). So what follows needs
//! no more than that no other lock is held over [`scheduler::block`].

#[cfg(not(test))]
pub mod allowance;
#[cfg(not(test))]
pub mod futex;
#[cfg(not(test))]
pub mod ids;
mod queue;
#[cfg(not(test))]
pub mod scheduler;
#[cfg(test)]
mod tests;
#[cfg(not(test))]
mod thread;
mod waiters;

#[cfg(not(test))]
pub use thread::{current, Thread};
