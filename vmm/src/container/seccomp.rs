//! The monitor's own system calls.
use crate::errno::Errno;
#[derive(Debug, thiserror::Error)]
pub enum SeccompError { #[error("x {0}")] Install(Errno) }
pub fn install() -> Result<(), SeccompError> { Ok(()) }
