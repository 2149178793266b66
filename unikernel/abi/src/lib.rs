//! What the unikernel and its monitor agree on.
//!
//! Both sides are built from this crate; nothing in it has behaviour beyond encoding, and reading
//! what both must read alike, or judging. A structure that lives in shared memory is `repr(C)`, and
//! its size is pinned by an assertion.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod boot;
pub mod calls;
pub mod channel;
pub mod elf;
pub mod errno;
pub mod layout;
pub mod missing;
pub mod portrait;
pub mod ports;
pub mod seccomp;
pub mod sockets;
pub mod streams;

pub use errno::Errno;
