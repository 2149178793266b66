//! Descriptors: the guest's are its own, the monitor's are nobody's.

use super::contain::contained;
use super::guest::{int, path, Arg, Guest, CWD, FLOOR};

const EBADF: i64 = -9;
const EINVAL: i64 = -22;
const EMFILE: i64 = -24;

fn is_open(fd: i64) -> bool {
    // SAFETY: numbers only.
    unsafe { libc::fcntl(fd as i32, libc::F_GETFD) >= 0 }
}

/// The monitor's own: what is open from the floor on.
fn private() -> Vec<i64> {
    (i64::from(FLOOR)..i64::from(FLOOR) + 32)
        .filter(|fd| is_open(*fd))
        .collect()
}

contained! {
    fn the_monitors_own_cannot_be_named() {
        let guest = Guest::new();
        let before = private();
        assert!(before.len() >= 2);
        for fd in &before {
            let fd = || int(*fd);
            for (number, args) in [
                (libc::SYS_read, vec![fd(), Arg::BufferOut(8), int(8)]),
                (libc::SYS_close, vec![fd()]),
                (libc::SYS_dup, vec![fd()]),
                (libc::SYS_dup2, vec![fd(), int(100)]),
                (libc::SYS_dup2, vec![int(0), fd()]),
                (libc::SYS_dup3, vec![int(0), fd(), int(0)]),
                (libc::SYS_fcntl, vec![fd(), int(libc::F_DUPFD), int(0)]),
                (libc::SYS_fstat, vec![fd(), Arg::Out(144)]),
                (libc::SYS_fchdir, vec![fd()]),
                (libc::SYS_ioctl, vec![fd(), int(0x5421), Arg::In(vec![0; 4])]),
                (libc::SYS_sendfile, vec![int(1), fd(), Arg::Null, int(10)]),
                (libc::SYS_openat, vec![fd(), path("self/mem"), int(libc::O_RDWR), int(0)]),
                (libc::SYS_newfstatat, vec![fd(), path(""), Arg::Out(144), int(libc::AT_EMPTY_PATH)]),
                (libc::SYS_mkdirat, vec![fd(), path("x"), int(0)]),
                (libc::SYS_utimensat, vec![fd(), Arg::Null, Arg::Null, int(0)]),
            ] {
                assert_eq!(guest.call(number, &args).result(), EBADF, "{number} {args:?}");
            }
            let args = [int(0), fd(), Arg::Null, int(0)];
            assert!(guest.call(libc::SYS_epoll_ctl, &args).result() < 0);
        }
        guest.call(libc::SYS_close_range, &[int(3), int(u32::MAX), int(4)]).ok();
        guest.call(libc::SYS_close_range, &[int(3), int(u32::MAX), int(0)]).ok();
        assert_eq!(private(), before);
        // poll and select.
        let entry = |fd: i64| [&(fd as i32).to_ne_bytes()[..], &1i16.to_ne_bytes(), &[0; 2]].concat();
        let args = [Arg::InOut(entry(before[0])), int(1), int(0)];
        let reply = guest.call(libc::SYS_poll, &args);
        assert_eq!((reply.ok(), reply.outputs[0][6]), (1, libc::POLLNVAL as u8));
        assert_eq!(reply.outputs[0][..4], (before[0] as i32).to_ne_bytes());
        let mut set = vec![0; 128];
        set[before[0] as usize / 8] |= 1 << (before[0] % 8);
        let args = [int(1024), Arg::InOut(set), Arg::Null, Arg::Null, Arg::InOut(vec![0; 16]), int(0)];
        assert_eq!(guest.call(libc::SYS_pselect6, &args).result(), EBADF);
    }

    fn numbers_are_the_lowest_and_within_the_limit() {
        let guest = Guest::new();
        guest.call(libc::SYS_close_range, &[int(3), int(u32::MAX), int(0)]).ok();
        guest.service.set_nofile(10, 20);
        std::fs::write("/a/file", "x").unwrap();
        std::os::unix::fs::symlink("/a/new", "/a/link").unwrap();
        for (expected, name, flags) in [
            (3, "/a/file", libc::O_RDONLY),
            (4, "/a/created", libc::O_CREAT | libc::O_WRONLY),
            (5, "/a/link", libc::O_CREAT | libc::O_WRONLY),
            (6, "/proc/self/cmdline", libc::O_RDONLY),
            (7, "/proc/self/fd/3", libc::O_RDONLY),
            (8, "/proc/self/exe", libc::O_PATH),
            (9, "/a", libc::O_RDWR | 0o20_200_000),
            (EMFILE, "/a/file", libc::O_RDONLY),
            (EMFILE, "/a/never", libc::O_CREAT | libc::O_RDONLY),
        ] {
            assert_eq!(guest.open(name, flags), expected, "{name}");
        }
        assert!(std::path::Path::new("/a/new").exists());
        assert!(!std::path::Path::new("/a/never").exists());
        assert_eq!(guest.call(libc::SYS_dup, &[int(3)]).result(), EMFILE);
        assert_eq!(guest.call(libc::SYS_eventfd2, &[int(0), int(0)]).result(), EMFILE);
        assert_eq!(guest.call(libc::SYS_pipe2, &[Arg::Out(8), int(0)]).result(), EMFILE);
        assert_eq!(guest.call(libc::SYS_dup2, &[int(3), int(10)]).result(), EBADF);
        assert_eq!(guest.call(libc::SYS_fcntl, &[int(3), int(0), int(10)]).result(), EINVAL);
        assert_eq!(guest.call(libc::SYS_dup2, &[int(3), int(9)]).result(), 9);
        assert_eq!(guest.call(libc::SYS_dup2, &[int(3), int(3)]).result(), 3);
        assert_eq!(guest.call(libc::SYS_dup3, &[int(3), int(3), int(0)]).result(), EINVAL);
        guest.call(libc::SYS_close, &[int(5)]).ok();
        assert_eq!(guest.call(libc::SYS_close, &[int(5)]).result(), EBADF);
        assert_eq!(guest.call(libc::SYS_dup2, &[int(9), int(5)]).result(), 5);
        assert_eq!(guest.read(5), b"x");
        guest.call(libc::SYS_close, &[int(4)]).ok();
        guest.call(libc::SYS_close, &[int(7)]).ok();
        let reply = guest.call(libc::SYS_pipe2, &[Arg::Out(8), int(libc::O_CLOEXEC)]);
        reply.ok();
        assert_eq!(reply.outputs[0], [4i32.to_ne_bytes(), 7i32.to_ne_bytes()].concat());
        assert!((10..FLOOR.into()).all(|fd| !is_open(fd)));
    }

    fn record_locks_outlive_what_the_service_does() {
        let guest = Guest::new();
        std::fs::write("/a/file", "text").unwrap();
        let fd = guest.open("/a/file", libc::O_RDWR);
        // struct flock: a write lock on everything.
        let lock = [&1i16.to_ne_bytes()[..], &[0; 30]].concat();
        guest.call(libc::SYS_fcntl, &[int(fd), int(libc::F_SETLK), Arg::In(lock.clone())]).ok();
        let held = || {
            // SAFETY: the child looks for the lock through a file of its own, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                use std::os::fd::AsRawFd;
                let file = std::fs::File::open("/a/file").unwrap();
                let mut lock = lock.clone();
                lock[0] = 0;
                // SAFETY: `lock` has the size of struct flock.
                unsafe {
                    let result = libc::fcntl(file.as_raw_fd(), libc::F_SETLK, lock.as_mut_ptr());
                    libc::_exit(i32::from(result < 0));
                }
            }
            let mut status = 0;
            // SAFETY: waits for the child made above.
            unsafe { libc::waitpid(child, &mut status, 0) };
            libc::WEXITSTATUS(status) == 1
        };
        assert!(held());
        let second = guest.open("/a/file", libc::O_RDWR | libc::O_CREAT);
        let third = guest.open(&format!("/proc/self/fd/{fd}"), libc::O_RDONLY);
        assert!(second > 0 && third > 0);
        guest.call(libc::SYS_truncate, &[path("/a/file"), int(2)]).ok();
        guest.call(libc::SYS_stat, &[path("/a/file"), Arg::Out(144)]).ok();
        guest.call(libc::SYS_chmod, &[path("/a/file"), int(0o600)]).ok();
        let args = [path("/a/file"), path("user.x"), Arg::In(b"v".to_vec()), int(1), int(0)];
        guest.call(libc::SYS_setxattr, &args).ok();
        assert!(held(), "the lock was lost");
        guest.call(libc::SYS_close, &[int(second)]).ok();
        assert!(!held(), "as on Linux, the guest's own close drops it");
    }

    fn a_request_is_checked() {
        let guest = Guest::new();
        let slot = guest.slot();
        let serve = |number, args| {
            let request = pinion_abi::channel::Request { number, args };
            guest.service.serve(&guest.memory, &slot, request, true)
        };
        use crate::calls::Answer::Result;
        let end = slot.bytes() as u64;
        guest.slot.write(slot.bytes() - 1, b"x");
        for (number, args, error) in [
            (5, [0, end - 143, 0, 0, 0, 0], -14),
            (5, [0, end, 0, 0, 0, 0], -14),
            (5, [0, u64::MAX - 100, 0, 0, 0, 0], -14),
            (5, [0, 64, 0, 0, 0, 0], -14),
            (5, [0, 0, 0, 0, 0, 0], -14),
            (2, [end - 1, 0, 0, 0, 0, 0], -14),
            (2, [0, 0, 0, 0, 0, 0], -14),
            (0, [0, u64::MAX, 5, 0, 0, 0], EINVAL),
            (0, [0, 1 << 32 | end, 5, 0, 0, 0], -14),
            (9, [0; 6], -38),
            (56, [0; 6], -38),
            (1025, [0; 6], -38),
            (u32::MAX, [0; 6], -38),
            (16, [0, 0xffff, 0, 0, 0, 0], -25),
            (72, [0, 0xffff, 0, 0, 0, 0], EINVAL),
        ] {
            assert_eq!(serve(number, args), Result(error), "{number} {args:x?}");
        }
        guest.slot.write(128, &[b'x'; 5000]);
        assert_eq!(serve(2, [128, 0, 0, 0, 0, 0]), Result(-36));
        // Segments outside of the guest's memory.
        for (address, bytes) in [(0u64, 8u64), (u64::MAX, 8), (0x20_0000, u64::MAX), (0x2f_ffff, 2)] {
            guest.slot.write(128, &[address.to_ne_bytes(), bytes.to_ne_bytes()].concat());
            assert_eq!(serve(0, [0, 1 << 32 | 128, 8, 0, 0, 0]), Result(-14));
        }
        assert_eq!(guest.call(libc::SYS_openat, &[CWD, path(""), int(0), int(0)]).result(), -2);
    }
}
