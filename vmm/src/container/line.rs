//! The descriptors that a launcher was given, and the line between the caller's and the container's
//! terminal.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::fds;
use super::launcher::{private, socket_pair, LaunchError};
use super::terminal::{self, Setup};
use crate::control::Control;
use crate::plan;

/// Raises the limit of descriptors, and closes all that this process was not told of.
pub fn prepare_descriptors(
    control: &mut Control,
    preserve: u32,
    process: &plan::Process,
    foreground: bool,
) -> Result<Line, LaunchError> {
    let failed = |call| move |errno| LaunchError::Call { call, errno };
    fds::raise_limit().map_err(failed("setrlimit"))?;
    fds::check_preserved(preserve).map_err(|(index, errno)| LaunchError::PreservedFd {
        index,
        count: preserve,
        errno,
    })?;
    let has_terminal = process.terminal.is_some();
    let given = control
        .make_private(preserve, has_terminal)
        .map_err(failed("dup"))?;
    match given {
        Some(terminal) if foreground => {
            let (ours, theirs) = socket_pair()?;
            Ok(Line {
                socket: Some(theirs.into()),
                caller: Some((private(ours.into())?.into(), terminal)),
            })
        }
        socket => Ok(Line {
            socket,
            caller: None,
        }),
    }
}

/// Where the caller's side of the container's terminal goes, if it has one.
pub struct Line {
    /// The process sends it here.
    pub socket: Option<OwnedFd>,
    /// In the foreground, it arrives here, for the caller's terminal.
    pub caller: Option<(UnixStream, OwnedFd)>,
}

impl Line {
    /// How the terminal is to be when the program starts: in the foreground like the caller's, if that
    /// has a size.
    pub fn terminal(&self, plan: Option<plan::Terminal>) -> Option<Setup> {
        let plan = plan?;
        let size = match &self.caller {
            Some((_, terminal)) => terminal::size(terminal).ok(),
            None => None,
        };
        Some(Setup {
            size: size
                .filter(|size| size.ws_row != 0 && size.ws_col != 0)
                .unwrap_or(plan.into()),
            keep_newlines: self.caller.is_some(),
        })
    }
}
