//! The control socket: the plan comes in, events go out.
//!
//! Frames in both directions: a little-endian u32 length, then as many bytes of UTF-8 JSON.
//! The caller sends the plan, then an [`Answer`] after each pause; the monitor sends [`Event`]s.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::container::fds;
use crate::errno::{check, Errno};
use crate::plan::Pause;

/// The longest frame, in bytes without its length.
pub const MAX_FRAME: usize = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
    #[error("control socket: the caller is gone")]
    Closed,
    #[error("control socket: a frame of {0} bytes is longer than {MAX_FRAME}")]
    TooLong(usize),
    #[error("launch plan: {0}")]
    Plan(serde_json::Error),
    #[error("control socket: {0}")]
    Answer(serde_json::Error),
    /// The caller's own words.
    #[error("{0}")]
    Aborted(String),
}

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Event<'a> {
    /// The container's init exists: its pid in the caller's pid namespace.
    Pid { pid: i32 },
    /// The monitor waits until it is told to continue.
    Pause { at: Pause },
    /// All is set up: the init waits on the exec fifo. The last event.
    Ready,
    /// One line; texts are runc's after `runc create failed: `. The last event.
    Error { message: &'a str },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Answer {
    Continue(bool),
    Abort(String),
}

/// The monitor's end of the socket; `None` when it has been closed.
#[derive(Debug)]
pub struct Control(Option<UnixStream>);

impl Control {
    pub fn new(socket: OwnedFd) -> Control {
        Control(Some(UnixStream::from(socket)))
    }

    /// The first frame: a [`LaunchPlan`](crate::plan::LaunchPlan), or a
    /// [`JoinPlan`](crate::plan::JoinPlan).
    pub fn read_plan<P: DeserializeOwned>(&mut self) -> Result<P, ControlError> {
        let frame = read_frame(self.socket()?)?;
        serde_json::from_slice(&frame).map_err(ControlError::Plan)
    }

    pub fn send(&mut self, event: &Event) -> Result<(), ControlError> {
        let json = serde_json::to_vec(event).map_err(ControlError::Answer)?;
        write_frame(self.socket()?, &json)
    }

    /// Tells the caller of a pause and waits for its word.
    pub fn pause(&mut self, at: Pause) -> Result<(), ControlError> {
        self.send(&Event::Pause { at })?;
        let frame = read_frame(self.socket()?)?;
        match serde_json::from_slice(&frame).map_err(ControlError::Answer)? {
            Answer::Continue(true) => Ok(()),
            Answer::Continue(false) => Err(ControlError::Aborted("launch aborted".to_owned())),
            Answer::Abort(why) => Err(ControlError::Aborted(why)),
        }
    }

    /// Moves the socket out of the guest's descriptors and closes all that the monitor was not told
    /// of: what remains is 0 to 2, `preserve` descriptors after them, the socket, and the descriptor
    /// after it, if there is to be one: it is returned, moved out of the way as well.
    pub fn make_private(&mut self, preserve: u32, next: bool) -> Result<Option<OwnedFd>, Errno> {
        let Some(old) = self.0.take() else {
            return Err(Errno(libc::EBADF));
        };
        // In this order: a move far up makes the table large, and closing then takes long.
        fds::close_unknown(preserve, &old, 1 + u32::from(next))?;
        let next = next
            .then(|| {
                let fd = old.as_raw_fd() + 1;
                // SAFETY: F_GETFD takes no argument.
                check(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
                // SAFETY: it is open, was given to the process for this, and nobody else owns it.
                fds::make_private(unsafe { OwnedFd::from_raw_fd(fd) })
            })
            .transpose()?;
        let socket = fds::make_private(old.into())?;
        self.0 = Some(UnixStream::from(socket));
        Ok(next)
    }

    /// The last user of the socket closes it: then the caller sees its end.
    pub fn close(&mut self) {
        self.0 = None;
    }

    fn socket(&mut self) -> Result<&mut UnixStream, ControlError> {
        self.0.as_mut().ok_or(ControlError::Closed)
    }
}

fn read_frame(source: &mut impl Read) -> Result<Vec<u8>, ControlError> {
    let mut length = [0; 4];
    read_all(source, &mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(ControlError::TooLong(length));
    }
    let mut frame = vec![0; length];
    read_all(source, &mut frame)?;
    Ok(frame)
}

fn read_all(source: &mut impl Read, buffer: &mut [u8]) -> Result<(), ControlError> {
    source
        .read_exact(buffer)
        .map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => ControlError::Closed,
            _ => ControlError::Io(error),
        })
}

/// One write for a frame, so that the caller never sees half of one from a monitor that dies.
fn write_frame(sink: &mut impl Write, json: &[u8]) -> Result<(), ControlError> {
    let length = u32::try_from(json.len()).map_err(|_| ControlError::TooLong(json.len()))?;
    let mut frame = Vec::with_capacity(4 + json.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(json);
    sink.write_all(&frame).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => ControlError::Closed,
        _ => ControlError::Io(error),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::plan::{JoinPlan, LaunchPlan};

    #[test]
    fn events_have_the_documented_form() {
        let form = |event: &Event| serde_json::to_string(event).unwrap();
        assert_eq!(form(&Event::Pid { pid: 7 }), r#"{"event":"pid","pid":7}"#);
        let pause = Event::Pause {
            at: Pause::CreateRuntime,
        };
        assert_eq!(form(&pause), r#"{"event":"pause","at":"createRuntime"}"#);
        assert_eq!(form(&Event::Ready), r#"{"event":"ready"}"#);
        let error = Event::Error {
            message: "no \"x\"",
        };
        assert_eq!(form(&error), r#"{"event":"error","message":"no \"x\""}"#);
    }

    proptest! {
        #[test]
        fn a_frame_survives_the_way(json in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let mut wire = Vec::new();
            write_frame(&mut wire, &json).unwrap();
            let mut wire = Cursor::new(wire);
            prop_assert_eq!(read_frame(&mut wire).unwrap(), json);
            prop_assert!(matches!(read_frame(&mut wire), Err(ControlError::Closed)));
        }

        /// Whatever arrives, reading ends in a frame that was there or in an error.
        #[test]
        fn no_bytes_hurt(wire in proptest::collection::vec(any::<u8>(), 0..256)) {
            match read_frame(&mut Cursor::new(&wire)) {
                Ok(frame) => prop_assert_eq!(&frame[..], &wire[4..4 + frame.len()]),
                Err(ControlError::TooLong(length)) => prop_assert!(length > MAX_FRAME),
                Err(error) => prop_assert!(matches!(error, ControlError::Closed)),
            }
        }

        #[test]
        fn any_document_is_a_plan_or_an_error(text in "\\PC{0,64}") {
            prop_assert!(serde_json::from_str::<LaunchPlan>(&text).is_err());
            prop_assert!(serde_json::from_str::<JoinPlan>(&text).is_err());
            if let Ok(Answer::Continue(_)) = serde_json::from_str::<Answer>(&text) {
                prop_assert!(text.contains("continue"));
            }
        }
    }
}
