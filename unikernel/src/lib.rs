//! The unikernel: a Linux ABI at ring 3 of a microVM. The logic is here, so that it can be tested
//! on the host; `main.rs` and the assembly make the kernel image of it.
#![cfg_attr(not(test), no_std)]

extern crate alloc;
