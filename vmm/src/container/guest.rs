//! A program of the container as the guest of a microVM.

use std::ffi::CString;

use pinion_abi::boot::Inherited;
use pinion_abi::seccomp::Filters;

use super::executable::Executable;
use super::fds;
use super::procfs::Procfs;
use super::rlimits::Limits;
use crate::calls::{CallsError, Service, ServiceConfig};
use crate::errno::Errno;
use crate::machine::{Guest, Loaded, Machine, MachineError};

#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error(transparent)]
    Calls(#[from] CallsError),
    #[error("keep a descriptor for the guest: {0}")]
    Descriptor(#[from] Errno),
}

/// What execve(2) would be told, and what of the process it would keep.
#[derive(Debug)]
pub struct Program {
    /// As execve(2) would get it: a script's own path, where `executable` is what reads it.
    pub path: CString,
    pub executable: Executable,
    /// `NAME=value`.
    pub env: Vec<CString>,
    /// The guest's limits, by their numbers. The monitor has not all of them.
    pub rlimits: Limits,
    pub inherited: Inherited,
    /// What its calls are judged by.
    pub filters: Filters,
    pub verbose: bool,
    /// The program's file gave it rights.
    pub secure: bool,
    /// Who executes it has not its rights, or may not read it.
    pub hidden: bool,
}

/// Puts a program into a machine. The process's descriptors below the private ones become its own.
pub fn load(machine: Machine, procfs: &Procfs, program: Program) -> Result<Loaded, GuestError> {
    let rlimits = program.rlimits.map(|limit| [limit.soft, limit.hard]);
    let [soft, hard] = rlimits[libc::RLIMIT_NOFILE as usize];
    let Executable {
        file,
        bytes,
        path,
        arguments,
    } = program.executable;
    let service = Service::new(ServiceConfig {
        private_floor: fds::private_floor(),
        nofile: (soft, hard),
        proc: procfs.copy()?,
        executable: fds::copy_private(&file)?,
        executable_path: path,
        arguments: arguments.clone(),
        environment: program.env.clone(),
        filters: program.filters,
    })?;
    let guest = Guest {
        executable: file,
        executable_bytes: bytes,
        path: program.path,
        arguments,
        environment: program.env,
        rlimits,
        inherited: program.inherited,
        verbose: program.verbose,
        secure: program.secure,
        hidden: program.hidden,
    };
    Ok(machine.load(guest, service)?)
}
