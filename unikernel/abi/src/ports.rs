//! The ports by which the kernel leaves the guest. An `out` anywhere but in the kernel's own stubs
//! is a general-protection fault of the program.

/// Serve all requests in the channel, also those that block, then go on.
pub const SERVE: u16 = 0x10;
/// The kernel cannot go on: a message stands in the boot information's `panic` field.
pub const PANIC: u16 = 0x11;
