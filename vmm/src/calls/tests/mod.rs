//! Tests of the service on the host, each in a process of its own inside new namespaces: requests are
//! written as the guest's kernel writes them.

mod blocking;
pub(crate) mod contain;
mod descriptors;
pub(crate) mod fuzz;
pub(crate) mod guest;
mod identity;
mod linux;
mod procfs;
mod sockets;
mod streams;
