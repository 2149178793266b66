//! A child process with pipes for its standard streams, watched to its end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use super::launcher::wait;
use crate::errno::{check, check_fd, Errno};
use crate::exit::ExitStatus;

/// Bytes of output that are kept, of each stream.
const OUTPUT_LIMIT: usize = 64 << 10;
/// How long output is awaited after the end: a process that the child left behind may hold a pipe.
const DRAIN: Duration = Duration::from_millis(200);

pub enum Ended {
    /// With what it wrote to standard output and standard error.
    Status(ExitStatus, [Vec<u8>; 2]),
    /// It was killed after so long.
    Timeout(Duration),
}

/// A process that is killed and waited for when this goes away.
pub struct Child<'a> {
    pid: libc::pid_t,
    pidfd: OwnedFd,
    /// What is left to write to standard input, and where.
    input: Option<(&'a [u8], File)>,
    outputs: [Output; 2],
    has_ended: bool,
}

struct Output {
    pipe: Option<File>,
    bytes: Vec<u8>,
}

impl<'a> Child<'a> {
    /// `pid`: a child that was not waited for, with the other ends of the pipes.
    pub fn new(pid: libc::pid_t, text: &'a [u8], pipes: [OwnedFd; 3]) -> Result<Child<'a>, Errno> {
        let [input, stdout, stderr] = pipes;
        // SAFETY: pidfd_open(2) takes numbers.
        let pidfd = check_fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) });
        let pidfd = match pidfd {
            Ok(pidfd) => pidfd,
            Err(errno) => {
                end(pid)?;
                return Err(errno);
            }
        };
        Ok(Child {
            pid,
            pidfd,
            input: Some((text, input.into())),
            outputs: [stdout, stderr].map(|pipe| Output {
                pipe: Some(pipe.into()),
                bytes: Vec::new(),
            }),
            has_ended: false,
        })
    }

    /// Feeds it, and collects what it writes, to its end or for so long.
    pub fn wait(mut self, limit: Option<Duration>) -> Result<Ended, Errno> {
        let started = Instant::now();
        loop {
            let left = match limit {
                None => None,
                Some(limit) => match limit.checked_sub(started.elapsed()) {
                    None => return Ok(Ended::Timeout(limit)),
                    left => left,
                },
            };
            if self.watch(left)? {
                break;
            }
        }
        let status = wait(self.pid)?;
        self.has_ended = true;
        self.input = None;
        let ended = Instant::now();
        // Nobody asks for the output of what went well.
        let wanted = status != ExitStatus::Code(0);
        while wanted && self.outputs.iter().any(|output| output.pipe.is_some()) {
            let Some(left) = DRAIN.checked_sub(ended.elapsed()) else {
                break;
            };
            self.watch(Some(left))?;
        }
        let [stdout, stderr] = &mut self.outputs;
        let bytes = [stdout, stderr].map(|output| std::mem::take(&mut output.bytes));
        Ok(Ended::Status(status, bytes))
    }

    /// Waits for something to happen and has a part in it; returns whether the child has ended.
    fn watch(&mut self, limit: Option<Duration>) -> Result<bool, Errno> {
        let input = self.input.as_ref().map(|(_, pipe)| pipe.as_raw_fd());
        let [stdout, stderr] = &self.outputs;
        let [stdout, stderr] =
            [stdout, stderr].map(|output| output.pipe.as_ref().map(File::as_raw_fd));
        let ended = (!self.has_ended).then_some(self.pidfd.as_raw_fd());
        // A negative number is no descriptor, and not looked at (poll(2)).
        let mut polled = [
            (ended, libc::POLLIN),
            (input, libc::POLLOUT),
            (stdout, libc::POLLIN),
            (stderr, libc::POLLIN),
        ]
        .map(|(fd, events)| libc::pollfd {
            fd: fd.unwrap_or(-1),
            events,
            revents: 0,
        });
        let timeout = limit.map_or(-1, |limit| {
            i32::try_from(limit.as_millis()).map_or(i32::MAX, |milliseconds| milliseconds + 1)
        });
        // SAFETY: poll(2) writes to as many structures as it is told.
        match check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as u64, timeout) }) {
            Ok(_) => {}
            Err(Errno(libc::EINTR)) => return Ok(false),
            Err(errno) => return Err(errno),
        }
        let [ended, input, stdout, stderr] = polled.map(|polled| polled.revents != 0);
        if input {
            self.feed();
        }
        for (is_ready, output) in [stdout, stderr].into_iter().zip(&mut self.outputs) {
            if is_ready {
                output.collect();
            }
        }
        Ok(ended)
    }

    /// Writes a piece that fits; at the end, or when nobody reads, closes the pipe.
    fn feed(&mut self) {
        let Some((text, pipe)) = &mut self.input else {
            return;
        };
        let piece = &text[..text.len().min(libc::PIPE_BUF)];
        match pipe.write(piece) {
            Ok(count) => *text = &text[count..],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => *text = &[],
        }
        if text.is_empty() {
            self.input = None;
        }
    }
}

impl Drop for Child<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = end(self.pid);
        }
    }
}

impl Output {
    fn collect(&mut self) {
        let mut piece = [0; 4096];
        match self.pipe.as_mut().map(|pipe| pipe.read(&mut piece)) {
            Some(Ok(count)) if count > 0 => {
                let room = OUTPUT_LIMIT - self.bytes.len();
                self.bytes.extend_from_slice(&piece[..count.min(room)]);
            }
            Some(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => self.pipe = None,
        }
    }
}

fn end(pid: libc::pid_t) -> Result<(), Errno> {
    // SAFETY: the child has not been waited for, so the pid is still its own.
    check(unsafe { libc::kill(pid, libc::SIGKILL) })?;
    wait(pid)?;
    Ok(())
}
