//! Tests of the service on the host, each in a process of its own inside new namespaces: requests are
//! written as the guest's kernel writes them.

mod blocking;
mod contain;
mod descriptors;
mod fuzz;
mod guest;
mod identity;
mod linux;
mod procfs;
