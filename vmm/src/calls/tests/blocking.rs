//! What may not block does not, and what may gives what Linux gives.

use std::time::{Duration, Instant};

use super::contain::contained;
use super::guest::{int, path, Arg, Guest, CWD};
use crate::calls::Answer;

fn pipe(guest: &Guest, flags: i32) -> (i64, i64) {
    let reply = guest.call(libc::SYS_pipe2, &[Arg::Out(8), int(flags)]);
    reply.ok();
    let number = |at| i32::from_ne_bytes(reply.outputs[0][at..at + 4].try_into().unwrap()).into();
    (number(0), number(4))
}

contained! {
    fn the_helper_is_never_stopped() {
        let guest = Guest::new();
        let begun = Instant::now();
        let (reader, writer) = pipe(&guest, 0);
        let read = |fd| guest.ask(libc::SYS_read, &[int(fd), Arg::BufferOut(8), int(8)], false);
        assert_eq!(read(reader).answer, Answer::WouldBlock);
        guest.call(libc::SYS_write, &[int(writer), Arg::BufferIn(b"abc".to_vec()), int(3)]).ok();
        let reply = read(reader);
        assert_eq!((reply.ok(), &reply.outputs[1][..3]), (3, &b"abc"[..]));
        assert_eq!(read(reader).answer, Answer::WouldBlock);
        let (reader, _writer) = pipe(&guest, libc::O_NONBLOCK);
        assert_eq!(read(reader).result(), -11);
        // FIFOs.
        guest.call(libc::SYS_mknod, &[path("/a/fifo"), int(libc::S_IFIFO | 0o600), int(0)]).ok();
        let open = |flags: i32| {
            guest.ask(libc::SYS_openat, &[CWD, path("/a/fifo"), int(flags), int(0o600)], false)
        };
        for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_WRONLY | libc::O_CREAT] {
            assert_eq!(open(flags).answer, Answer::WouldBlock);
        }
        assert_eq!(open(libc::O_WRONLY | libc::O_NONBLOCK).result(), -6);
        assert!(open(libc::O_RDWR).ok() > 0);
        // What waits by nature.
        let args = [Arg::InOut(vec![0; 8]), int(1), int(-1)];
        assert_eq!(guest.ask(libc::SYS_poll, &args, false).answer, Answer::WouldBlock);
        // A file does not wait.
        std::fs::write("/a/file", "text").unwrap();
        let fd = guest.ask(libc::SYS_openat, &[CWD, path("/a/file"), int(0), int(0)], false).ok();
        assert_eq!(read(fd).ok(), 4);
        assert_eq!(read(fd).ok(), 0);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    fn a_blocking_write_writes_everything_once() {
        let guest = Guest::new();
        let (reader, writer) = pipe(&guest, 0);
        let data: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        let bytes = int(data.len() as i64);
        let args = [int(writer), Arg::BufferIn(data.clone()), bytes];
        // Fills the pipe, and what is done is done.
        assert_eq!(guest.ask(libc::SYS_write, &args, false).answer, Answer::WouldBlock);
        let (seen, written) = std::thread::scope(|scope| {
            let drain = scope.spawn(move || {
                let mut seen = Vec::new();
                let mut piece = [0u8; 4096];
                while seen.len() < 200_000 {
                    // SAFETY: `piece` has room.
                    let got = unsafe { libc::read(reader as i32, piece.as_mut_ptr().cast(), 4096) };
                    assert!(got > 0);
                    seen.extend_from_slice(&piece[..got as usize]);
                }
                seen
            });
            let written = guest.ask(libc::SYS_write, &args, true).ok();
            (drain.join().unwrap(), written)
        });
        assert_eq!(written, 200_000);
        assert_eq!(seen, data);
    }

    fn waiting_for_a_lock_is_for_those_who_may() {
        let guest = Guest::new();
        std::fs::write("/a/file", "text").unwrap();
        let mut ends = [0; 2];
        // SAFETY: room for two numbers; the child locks the file, says so, and waits.
        let child = unsafe {
            libc::pipe(ends.as_mut_ptr());
            libc::fork()
        };
        let lock = [&1i16.to_ne_bytes()[..], &[0; 30]].concat();
        if child == 0 {
            use std::os::fd::AsRawFd;
            let file = std::fs::File::options().write(true).open("/a/file").unwrap();
            // SAFETY: the lock has the size of struct flock; one byte is written.
            unsafe {
                libc::fcntl(file.as_raw_fd(), libc::F_SETLK, lock.as_ptr());
                libc::write(ends[1], lock.as_ptr().cast(), 1);
                libc::pause();
            }
        }
        let mut byte = 0u8;
        // SAFETY: room for one byte.
        unsafe { libc::read(ends[0], (&raw mut byte).cast(), 1) };
        let fd = guest.open("/a/file", libc::O_RDWR);
        let args = [int(fd), int(libc::F_SETLKW), Arg::In(lock)];
        assert_eq!(guest.ask(libc::SYS_fcntl, &args, false).answer, Answer::WouldBlock);
        // SAFETY: ends the child.
        unsafe { libc::kill(child, libc::SIGKILL) };
        guest.ask(libc::SYS_fcntl, &args, true).ok();
    }

    fn file_creation_follows_links_as_linux_does() {
        let guest = Guest::new();
        guest.call(libc::SYS_creat, &[path("/a/new"), int(0o600)]).ok();
        std::os::unix::fs::symlink("../b/target", "/a/dangling").unwrap();
        assert!(guest.open("/a/dangling", libc::O_CREAT | libc::O_WRONLY) > 0);
        assert!(std::path::Path::new("/b/target").exists());
        std::os::unix::fs::symlink("/a/loop", "/a/loop").unwrap();
        assert_eq!(guest.open("/a/loop", libc::O_CREAT | libc::O_WRONLY), -40);
        std::os::unix::fs::symlink("/proc/self/mem", "/a/mem").unwrap();
        assert_eq!(guest.open("/a/mem", libc::O_CREAT | libc::O_RDWR), -13);
    }
}
