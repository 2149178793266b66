//! What goes wrong in a process of the container before its program runs.

use super::apparmor::AppArmorError;
use super::cgroup::CgroupError;
use super::clocks::ClocksError;
use super::credentials::CredentialsError;
use super::devices::DeviceError;
use super::guest::GuestError;
use super::guest_hooks::HookError;
use super::masks::MaskError;
use super::mounts::MountError;
use super::namespaces::NamespaceError;
use super::program::ProgramError;
use super::rlimits::RlimitError;
use super::rootfs::RootfsError;
use super::scheduling::SchedulingError;
use super::seccomp::SeccompError;
use super::settings::SettingsError;
use super::terminal::TerminalError;
use crate::control::ControlError;
use crate::errno::Errno;
use crate::machine::MachineError;

/// What goes wrong inside, in runc's words: what it finds while it sets the container up is told
/// otherwise than what it finds of the program.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("unable to start container process: error during container init: {0}")]
    Setup(#[from] SetupError),
    #[error("unable to start container process: {0}")]
    Program(#[from] ProgramError),
    /// As what is wrong with the program, in runc's words.
    #[error("unable to start container process: {0}")]
    User(CredentialsError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("exec fifo: {0}")]
    Fifo(Errno),
    #[error("unable to start container process: {0}")]
    Machine(#[from] MachineError),
    #[error("unable to start container process: {0}")]
    Guest(#[from] GuestError),
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error("whoever started the container has been told")]
    Told,
}

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Mask(#[from] MaskError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Rlimit(#[from] RlimitError),
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    #[error(transparent)]
    AppArmor(#[from] AppArmorError),
    #[error(transparent)]
    Scheduling(#[from] SchedulingError),
    #[error(transparent)]
    Clocks(#[from] ClocksError),
    #[error("load the seccomp profile: {0}")]
    Profile(Errno),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    #[error("{step}: {errno}")]
    Step { step: &'static str, errno: Errno },
    #[error("the launcher is gone")]
    Orphaned,
}

pub fn step(step: &'static str) -> impl Fn(Errno) -> SetupError {
    move |errno| SetupError::Step { step, errno }
}
