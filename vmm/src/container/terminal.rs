//! The container's terminal: a pair of pseudo terminals (pty(7)) of which the program has one side, and
//! the caller the other.

use std::fs::File;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::fds;
use super::mount_api::Tree;
use super::procfs::Procfs;
use super::rooted::{self, Kind, Root};
use crate::errno::{check, check_fd, Errno};
use crate::plan;

#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("open {MULTIPLEXER}: {0}")]
    Open(Errno),
    #[error("open {MULTIPLEXER}: it is no terminal multiplexer")]
    Other,
    #[error("{step} of the terminal: {errno}")]
    Step { step: &'static str, errno: Errno },
    #[error("mount terminal on {CONSOLE}: {0}")]
    Console(Errno),
    #[error("console socket: {0}")]
    Send(Errno),
}

const MULTIPLEXER: &str = "/dev/ptmx";
const CONSOLE: &str = "/dev/console";

fn step(step: &'static str) -> impl Fn(Errno) -> TerminalError {
    move |errno| TerminalError::Step { step, errno }
}

/// How a terminal is when its program starts.
#[derive(Clone, Copy)]
pub struct Setup {
    /// Without rows and columns: as the kernel makes it.
    pub size: libc::winsize,
    /// Newlines reach the caller as they are: its own terminal makes new lines of them.
    pub keep_newlines: bool,
}

impl From<plan::Terminal> for libc::winsize {
    fn from(plan: plan::Terminal) -> libc::winsize {
        libc::winsize {
            ws_row: plan.rows,
            ws_col: plan.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        }
    }
}

/// The program's side.
pub struct Terminal {
    slave: OwnedFd,
}

impl Terminal {
    /// Makes a pair in the container's devpts and sends the caller's side to `socket`.
    ///
    /// The image may have put anything at the path, so nothing is opened but a multiplexer, and no path
    /// leads to the program's side.
    pub fn open(
        root: &Root,
        procfs: &Procfs,
        setup: Setup,
        uid: u32,
        socket: OwnedFd,
    ) -> Result<Terminal, TerminalError> {
        let found = root
            .resolve(Path::new(MULTIPLEXER))
            .map_err(TerminalError::Open)?;
        let stat = rooted::stat(&found).map_err(TerminalError::Open)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFCHR || stat.st_rdev != libc::makedev(5, 2) {
            return Err(TerminalError::Other);
        }
        let master = procfs
            .reopen(&found, libc::O_RDWR | libc::O_NOCTTY)
            .map_err(TerminalError::Open)?;
        let unlocked = 0;
        // SAFETY: TIOCSPTLCK reads one integer.
        check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlocked) })
            .map_err(step("unlock"))?;
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        // SAFETY: TIOCGPTPEER takes flags and makes a descriptor.
        let slave = check_fd(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) })
            .and_then(fds::make_private)
            .map_err(step("open the program's side"))?;
        if setup.size.ws_row != 0 && setup.size.ws_col != 0 {
            set_size(&master, setup.size).map_err(step("set the size"))?;
        }
        if setup.keep_newlines {
            keep_newlines(&master).map_err(step("set the mode"))?;
        }
        // So that the user can open /dev/tty's and /dev/stdout's target; a file system that refuses is
        // no error, as in runc.
        // SAFETY: fchown(2) takes numbers.
        unsafe { libc::fchown(slave.as_raw_fd(), uid, u32::MAX) };
        send(socket.as_fd(), &master).map_err(TerminalError::Send)?;
        Ok(Terminal { slave })
    }

    /// Puts the terminal on /dev/console, for an init.
    pub fn mount_on_console(&self, root: &Root) -> Result<(), TerminalError> {
        let mount = || {
            let target = root.ensure(Path::new(CONSOLE), Kind::File)?;
            Tree::copy_fd(&self.slave, false)?.attach(&target)
        };
        mount().map_err(TerminalError::Console)
    }

    /// Makes it the standard streams and the controlling terminal of this process, which leads a
    /// session.
    pub fn take(self) -> Result<(), TerminalError> {
        // SAFETY: TIOCSCTTY takes a number.
        check(unsafe { libc::ioctl(self.slave.as_raw_fd(), libc::TIOCSCTTY, 0) })
            .map_err(step("take control"))?;
        for stream in 0..3 {
            // SAFETY: the standard streams are the guest's; no `OwnedFd` holds one.
            check(unsafe { libc::dup3(self.slave.as_raw_fd(), stream, 0) })
                .map_err(step("open the streams"))?;
        }
        Ok(())
    }
}

pub fn size(terminal: impl AsFd) -> Result<libc::winsize, Errno> {
    let none = plan::Terminal {
        rows: 0,
        columns: 0,
    };
    let mut size = libc::winsize::from(none);
    // SAFETY: TIOCGWINSZ writes one struct.
    check(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &mut size) })?;
    Ok(size)
}

pub fn set_size(terminal: impl AsFd, size: libc::winsize) -> Result<(), Errno> {
    // SAFETY: TIOCSWINSZ reads one struct.
    check(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &size) })?;
    Ok(())
}

fn keep_newlines(terminal: &OwnedFd) -> Result<(), Errno> {
    let mut attributes = attributes(terminal)?;
    attributes.c_oflag &= !libc::ONLCR;
    set_attributes(terminal, &attributes)
}

pub fn attributes(terminal: impl AsFd) -> Result<libc::termios, Errno> {
    // SAFETY: termios consists of integers; tcgetattr(3) writes one.
    unsafe {
        let mut attributes: libc::termios = std::mem::zeroed();
        let fd = terminal.as_fd().as_raw_fd();
        check(libc::tcgetattr(fd, &mut attributes))?;
        Ok(attributes)
    }
}

pub fn set_attributes(terminal: impl AsFd, attributes: &libc::termios) -> Result<(), Errno> {
    let fd = terminal.as_fd().as_raw_fd();
    // SAFETY: tcsetattr(3) reads one struct.
    check(unsafe { libc::tcsetattr(fd, libc::TCSANOW, attributes) })?;
    Ok(())
}

/// As much as a message with one descriptor has of control data.
#[repr(C)]
struct OneDescriptor {
    header: libc::cmsghdr,
    fd: i32,
    padding: i32,
}

/// One message: the multiplexer's name, as runc has it, and one descriptor.
fn send(socket: BorrowedFd, fd: &OwnedFd) -> Result<(), Errno> {
    let mut control = OneDescriptor {
        header: libc::cmsghdr {
            // SAFETY: CMSG_LEN computes.
            cmsg_len: unsafe { libc::CMSG_LEN(4) } as usize,
            cmsg_level: libc::SOL_SOCKET,
            cmsg_type: libc::SCM_RIGHTS,
        },
        fd: fd.as_raw_fd(),
        padding: 0,
    };
    let name = [IoSlice::new(MULTIPLEXER.as_bytes())];
    // SAFETY: msghdr consists of integers and pointers; zero is a value of each.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = name.as_ptr().cast_mut().cast();
    message.msg_iovlen = 1;
    message.msg_control = std::ptr::from_mut(&mut control).cast();
    message.msg_controllen = size_of::<OneDescriptor>();
    // SAFETY: the message's pointers are to `name`, which is laid out as an iovec, and to `control`; both
    // outlive the call.
    check(unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) } as i64)?;
    Ok(())
}

/// Receives what [`send`] has sent.
pub fn receive(socket: impl AsFd) -> Result<File, Errno> {
    // SAFETY: both structs consist of integers and pointers; zero is a value of each.
    let (mut control, mut message): (OneDescriptor, libc::msghdr) = unsafe { std::mem::zeroed() };
    let mut name = [0_u8; 64];
    let mut data = libc::iovec {
        iov_base: name.as_mut_ptr().cast(),
        iov_len: name.len(),
    };
    message.msg_iov = &mut data;
    message.msg_iovlen = 1;
    message.msg_control = std::ptr::from_mut(&mut control).cast();
    message.msg_controllen = size_of::<OneDescriptor>();
    // SAFETY: the message's pointers are to `data`, which names a buffer, and to `control`; all outlive
    // the call.
    let bytes = unsafe {
        libc::recvmsg(
            socket.as_fd().as_raw_fd(),
            &mut message,
            libc::MSG_CMSG_CLOEXEC,
        )
    };
    check(bytes as i64)?;
    let came = message.msg_controllen >= 20 && control.header.cmsg_type == libc::SCM_RIGHTS;
    if bytes <= 0 || !came {
        return Err(Errno(libc::EPIPE));
    }
    // SAFETY: the kernel has just made this descriptor for this process.
    Ok(unsafe { File::from_raw_fd(control.fd) })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn one_descriptor_arrives_with_the_name() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send(theirs.as_fd(), &writer.into()).unwrap();
        receive(&ours).unwrap().write_all(b"x").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        drop(theirs);
        assert!(receive(&ours).is_err());
    }
}
