//! The unikernel: a Linux ABI at ring 3 of a microVM. The logic is here, so that it can be tested
//! on the host; `main.rs` makes the kernel image of it. What runs only in a guest is left out of
//! tests.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

#[cfg(not(test))]
pub mod arch;
#[cfg(not(test))]
pub mod boot;
#[cfg(not(test))]
pub mod channel;
#[cfg(not(test))]
pub mod cpuid;
#[cfg(not(test))]
pub mod loader;
pub mod mm;
pub mod patch;
#[cfg(not(test))]
pub mod seccomp;
#[cfg(not(test))]
pub mod signals;
#[cfg(not(test))]
pub mod streams;
#[cfg(not(test))]
pub mod syscalls;
#[cfg(not(test))]
pub mod text;
pub mod threads;
#[cfg(not(test))]
pub mod vcpus;
#[cfg(not(test))]
pub mod vdso;
