//! What the unikernel and its monitor agree on.
//!
//! Both sides are built from this crate; nothing in it has behaviour beyond encoding. A structure
//! that lives in shared memory is `repr(C)`, and its size is pinned by an assertion.
#![no_std]

pub mod boot;
pub mod calls;
pub mod channel;
pub mod errno;
pub mod layout;
pub mod ports;

pub use errno::Errno;
