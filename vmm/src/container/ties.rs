//! What ties a new process of the container to its launcher and to the caller, until its program is
//! ready to run.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use super::cgroup::Groups;
use super::failure::{step, InitError, SetupError};
use super::procfs::Procfs;
use super::rooted::Root;
use super::signals;
use super::terminal::{Setup, Terminal};
use crate::control::{Control, ControlError, Event};
use crate::exit::{end_as, ExitStatus};
use crate::plan::{Pause, Process};

/// What the process tells its launcher when it has told the caller.
pub const READY: u8 = b'R';
pub const FAILED: u8 = b'E';

pub struct Ties<'a> {
    control: &'a mut Control,
    /// Both tell each other one letter at a time. `None`: it has been told all.
    launcher: Option<UnixStream>,
    /// Where the other side of the terminal goes, and how it is to be.
    console: Option<(OwnedFd, Setup)>,
}

impl<'a> Ties<'a> {
    pub fn new(
        control: &'a mut Control,
        launcher: UnixStream,
        console: Option<(OwnedFd, Setup)>,
    ) -> Ties<'a> {
        Ties {
            control,
            launcher: Some(launcher),
            console,
        }
    }

    /// Joins the control groups while the launcher writes id maps and the like, then one byte.
    pub fn begin(&mut self, groups: Option<Groups>) -> Result<(), SetupError> {
        signals::die_with_parent(libc::SIGKILL).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
        if let Some(mut groups) = groups {
            groups.join()?;
        }
        // A launcher that ended before this call is found by the closed socket.
        let read = self
            .launcher
            .as_mut()
            .map(|launcher| launcher.read_exact(&mut [0]));
        match read {
            Some(Ok(())) => Ok(()),
            _ => Err(SetupError::Orphaned),
        }
    }

    /// Tells the caller of a pause and waits for its word.
    pub fn pause(&mut self, at: Pause) -> Result<(), ControlError> {
        self.control.pause(at)
    }

    /// Makes the process's terminal, if it has one, and sends its other side away.
    pub fn open_terminal(
        &mut self,
        root: &Root,
        procfs: &Procfs,
        process: &Process,
    ) -> Result<Option<Terminal>, SetupError> {
        let console = self.console.take();
        let terminal = console
            .map(|(socket, setup)| Terminal::open(root, procfs, setup, process.uid, socket))
            .transpose()?;
        Ok(terminal)
    }

    /// From here on the process outlives the launcher, and neither it nor the caller is spoken to.
    pub fn tell_ready(&mut self) -> Result<(), InitError> {
        signals::die_with_parent(0).map_err(step("prctl(PR_SET_PDEATHSIG)"))?;
        // The launcher hears it first: when the caller knows, the launcher's end no longer depends on
        // what becomes of this process.
        let told = self
            .launcher
            .take()
            .map(|mut launcher| launcher.write_all(&[READY]));
        if !matches!(told, Some(Ok(()))) {
            return Err(SetupError::Orphaned.into());
        }
        self.control.send(&Event::Ready)?;
        self.control.close();
        Ok(())
    }

    /// Ends the process with its program's status, or with an error that somebody is told.
    pub fn end(self, ended: Result<ExitStatus, InitError>) -> ! {
        match ended {
            Ok(status) => end_as(status),
            // The launcher has told the caller why, if it could.
            Err(InitError::Setup(SetupError::Orphaned) | InitError::Told) => {}
            Err(error) => {
                // Who is gone hears nothing; the caller finds out by the closed socket.
                let _ = self.control.send(&Event::Error {
                    message: &error.to_string(),
                });
                match self.launcher {
                    Some(mut launcher) => {
                        let _ = launcher.write_all(&[FAILED]);
                    }
                    // The process's standard error is all that is left.
                    None => {
                        let _ = writeln!(std::io::stderr(), "pinion: {error}");
                    }
                }
            }
        }
        end_as(ExitStatus::Code(1))
    }
}
