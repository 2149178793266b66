//! The container around a microVM: its namespaces, control groups, mounts and credentials.
//!
//! [`launcher`] is the caller's child; it makes the [`init`], which becomes the container's first
//! process, sets the container up from the inside and then is the monitor of its microVM. [`join`] adds
//! further processes, each with a microVM of its own.

mod apparmor;
pub mod capabilities;
mod cgroup;
mod cgroup_view;
mod child;
mod clocks;
mod clone;
mod confine;
mod copy_up;
mod credentials;
mod device_filter;
mod devices;
pub mod executable;
mod failure;
pub mod fds;
pub mod guest;
mod guest_hooks;
pub mod hook;
mod idmap;
mod init;
mod join;
pub mod launcher;
mod line;
mod loopback;
mod masks;
pub mod mount_api;
mod mounts;
mod namespaces;
mod net_devices;
pub mod procfs;
pub mod program;
mod relay;
pub mod rlimits;
pub mod rooted;
mod rootfs;
mod scheduling;
mod script;
pub mod seccomp;
mod settings;
pub mod signals;
mod target;
mod terminal;
mod ties;

pub use launcher::{join, launch};
