//! The monitor: becomes a container's init process and runs its program in a KVM microVM.

pub mod bare;
pub mod calls;
pub mod census;
pub mod container;
pub mod control;
pub mod errno;
pub mod exec;
pub mod exit;
mod heap;
pub mod kvm;
mod limits;
pub mod machine;
pub mod missing;
pub mod plan;
pub mod portrait;
