//! In the foreground, the launcher stands between the caller's terminal and the container's: it copies
//! both ways, passes on changes of the size, and leaves the caller's terminal as it was.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};

use super::launcher::wait;
use super::signals;
use super::terminal::{self, attributes, set_attributes};
use crate::errno::{check, check_fd, Errno};
use crate::exit::ExitStatus;

/// Bytes that are on their way to the program at most: reading more waits.
const CHUNK: usize = 8192;

/// A terminal in raw mode, until this goes away.
struct Raw {
    terminal: OwnedFd,
    before: libc::termios,
}

impl Raw {
    fn new(terminal: OwnedFd) -> Result<Raw, Errno> {
        let before = attributes(&terminal)?;
        let mut raw = before;
        // SAFETY: cfmakeraw(3) changes the struct.
        unsafe { libc::cfmakeraw(&mut raw) };
        // Newlines that the program's side leaves as they are become new lines here.
        raw.c_oflag |= libc::OPOST;
        set_attributes(&terminal, &raw)?;
        Ok(Raw { terminal, before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = set_attributes(&self.terminal, &self.before);
    }
}

/// Serves the container's terminal, whose caller's side is `master`, to the end of the process.
///
/// `terminal`: the caller's own. SIGWINCH tells of its new size; SIGHUP, or the caller's end, ends this.
pub fn serve(pid: libc::pid_t, master: File, terminal: OwnedFd) -> Result<ExitStatus, Errno> {
    let signals = block(&[libc::SIGWINCH, libc::SIGHUP])?;
    signals::die_with_parent(libc::SIGHUP)?;
    // SAFETY: pidfd_open(2) takes numbers.
    let process = check_fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    set_nonblocking(&master)?;
    let raw = Raw::new(terminal)?;
    let mut relay = Relay {
        master: Some(master),
        raw,
        pending: Vec::new(),
        input_ended: false,
    };
    relay.resize();
    while let Event::More = relay.turn(&process, &signals)? {}
    // What the program wrote last; others that it left behind may hold the terminal for ever.
    while relay.copy_output() {}
    drop(relay);
    wait(pid)
}

enum Event {
    More,
    Ended,
}

struct Relay {
    /// `None`: nobody has the other side open any more.
    master: Option<File>,
    raw: Raw,
    /// Input that the program's side has no room for yet.
    pending: Vec<u8>,
    input_ended: bool,
}

impl Relay {
    /// Waits for something to happen and has a part in it.
    fn turn(&mut self, process: &OwnedFd, signals: &File) -> Result<Event, Errno> {
        let wants_input = !self.input_ended && self.pending.is_empty();
        let master = self.master.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let output = if self.pending.is_empty() {
            libc::POLLIN
        } else {
            libc::POLLIN | libc::POLLOUT
        };
        // A negative number is no descriptor, and not looked at (poll(2)).
        let mut polled = [
            (process.as_raw_fd(), libc::POLLIN),
            (signals.as_raw_fd(), libc::POLLIN),
            (master, output),
            (if wants_input { 0 } else { -1 }, libc::POLLIN),
        ]
        .map(|(fd, events)| libc::pollfd {
            fd,
            events,
            revents: 0,
        });
        // SAFETY: poll(2) writes to as many structures as it is told.
        match check(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as u64, -1) }) {
            Ok(_) => {}
            Err(Errno(libc::EINTR)) => return Ok(Event::More),
            Err(errno) => return Err(errno),
        }
        let [ended, signal, terminal, input] = polled.map(|polled| polled.revents);
        if signal != 0 && self.take_signal(signals) == libc::SIGHUP as u32 {
            return Err(Errno(libc::EIO));
        }
        if terminal & libc::POLLOUT != 0 {
            self.pass_input();
        }
        if terminal & !libc::POLLOUT != 0 {
            self.copy_output();
        }
        if input != 0 {
            self.read_input();
        }
        Ok(if ended == 0 {
            Event::More
        } else {
            Event::Ended
        })
    }

    /// Its number; 0: none.
    fn take_signal(&mut self, mut signals: &File) -> u32 {
        // struct signalfd_siginfo: the number is the first word (signalfd(2)).
        let mut info = [0; 128];
        if signals.read_exact(&mut info).is_err() {
            return 0;
        }
        let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
        if number == libc::SIGWINCH as u32 {
            self.resize();
        }
        number
    }

    /// A terminal that has no size, or is gone, keeps the other's as it is.
    fn resize(&self) {
        if let (Some(master), Ok(size)) = (&self.master, terminal::size(&self.raw.terminal)) {
            let _ = terminal::set_size(master, size);
        }
    }

    fn read_input(&mut self) {
        let mut chunk = [0; CHUNK];
        // SAFETY: read(2) writes at most as many bytes as the buffer has.
        let count = unsafe { libc::read(0, chunk.as_mut_ptr().cast(), chunk.len()) };
        match check(count as i64) {
            Ok(0) => self.input_ended = true,
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count as usize]);
                self.pass_input();
            }
            Err(Errno(libc::EINTR | libc::EAGAIN)) => {}
            // A terminal that was hung up has nothing more to read.
            Err(_) => self.input_ended = true,
        }
    }

    fn pass_input(&mut self) {
        let Some(master) = &mut self.master else {
            self.pending.clear();
            return;
        };
        match master.write(&self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.pending.clear(),
        }
    }

    /// Whether there may be more.
    fn copy_output(&mut self) -> bool {
        let Some(master) = &mut self.master else {
            return false;
        };
        let mut chunk = [0; CHUNK];
        match master.read(&mut chunk) {
            Ok(count) if count > 0 => {
                write_output(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) if is_temporary(&error) => false,
            // EIO: the last of the program's side was closed.
            _ => {
                self.master = None;
                false
            }
        }
    }
}

/// To standard output; a reader that went away misses it.
fn write_output(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: write(2) reads as many bytes as it is told.
        let count = unsafe { libc::write(1, bytes.as_ptr().cast(), bytes.len()) };
        match check(count as i64) {
            Ok(count) => bytes = &bytes[count as usize..],
            Err(Errno(libc::EINTR)) => {}
            Err(Errno(libc::EAGAIN)) => {
                let mut polled = libc::pollfd {
                    fd: 1,
                    events: libc::POLLOUT,
                    revents: 0,
                };
                // SAFETY: poll(2) writes to one structure.
                unsafe { libc::poll(&mut polled, 1, -1) };
            }
            Err(_) => return,
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Blocks the signals; they are read from the returned file (signalfd(2)).
fn block(signals: &[i32]) -> Result<File, Errno> {
    // SAFETY: the set is initialised by sigemptyset(3); signalfd(2) reads it and makes a descriptor.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, *signal);
        }
        check(libc::sigprocmask(
            libc::SIG_BLOCK,
            &set,
            std::ptr::null_mut(),
        ))?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        Ok(check_fd(libc::signalfd(-1, &set, flags))?.into())
    }
}

fn set_nonblocking(file: &File) -> Result<(), Errno> {
    // SAFETY: these operations take numbers.
    unsafe {
        let flags = check(libc::fcntl(file.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(
            file.as_raw_fd(),
            libc::F_SETFL,
            flags as i32 | libc::O_NONBLOCK,
        ))?;
    }
    Ok(())
}
