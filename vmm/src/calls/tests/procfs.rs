//! Every way to the monitor's own /proc that a guest with root's powers can try.

use super::contain::contained;
use super::guest::{int, path, Arg, Guest, CWD, FLOOR};

const EACCES: i64 = -13;
const ENOENT: i64 = -2;

/// Entries of a process directory that give the monitor away.
const CLOSED: &[&str] = &[
    "mem",
    "maps",
    "smaps",
    "smaps_rollup",
    "numa_maps",
    "pagemap",
    "auxv",
    "stack",
    "syscall",
    "personality",
    "clear_refs",
    "coredump_filter",
    "timers",
    "map_files",
];

fn own_pid() -> i32 {
    std::process::id() as i32
}

fn bind(from: &str, to: &str) {
    let [from, to] = [from, to].map(|text| std::ffi::CString::new(text).unwrap());
    let none = std::ptr::null();
    // SAFETY: all are strings or null.
    let result =
        unsafe { libc::mount(from.as_ptr(), to.as_ptr(), none, libc::MS_BIND, none.cast()) };
    assert_eq!(
        result,
        0,
        "bind {from:?}: {}",
        std::io::Error::last_os_error()
    );
}

contained! {
    fn no_name_leads_into_the_monitor() {
        let guest = Guest::new();
        let pid = own_pid();
        std::os::unix::fs::symlink("/proc/self", "/a/self").unwrap();
        std::fs::create_dir_all("/b/proc").unwrap();
        bind("/proc", "/b/proc");
        std::fs::create_dir_all("/b/own").unwrap();
        bind(&format!("/proc/{pid}"), "/b/own");
        let places = [
            "/proc/self".to_owned(),
            "/proc/thread-self".to_owned(),
            format!("/proc/{pid}"),
            format!("/proc/{pid}/task/{pid}"),
            format!("/proc/self/task/{pid}"),
            "/a/self".to_owned(),
            "/b/proc/self".to_owned(),
            "/b/own".to_owned(),
            "/proc/self/cwd/proc/self".to_owned(),
            "/proc/self/root/proc/self".to_owned(),
            "/proc/self/../self".to_owned(),
        ];
        for place in &places {
            for entry in CLOSED {
                let name = format!("{place}/{entry}");
                for flags in [libc::O_RDONLY, libc::O_RDWR, libc::O_RDONLY | libc::O_CREAT] {
                    let result = guest.open(&name, flags);
                    assert!(result < 0, "{name} was opened with flags {flags:#o}");
                }
                let result = guest.open(&name, libc::O_RDONLY);
                let missing = result == ENOENT && std::fs::symlink_metadata(&name).is_err();
                assert!(result == EACCES || missing, "{name}: {result}");
            }
            // By a directory's descriptor, and as the working directory.
            let dir = guest.open(place, libc::O_RDONLY | libc::O_DIRECTORY);
            let reply = guest.call(libc::SYS_openat, &[int(dir), path("mem"), int(libc::O_RDWR), int(0)]);
            assert_eq!(reply.result(), EACCES, "{place}");
            guest.call(libc::SYS_fchdir, &[int(dir)]).ok();
            assert_eq!(guest.open("mem", libc::O_RDWR), EACCES, "{place}");
            assert_eq!(guest.open("./environ", libc::O_RDWR), EACCES, "{place}");
            guest.call(libc::SYS_chdir, &[path("/")]).ok();
            guest.call(libc::SYS_close, &[int(dir)]).ok();
        }
    }

    fn a_bound_file_is_what_it_is() {
        let pid = own_pid();
        for (entry, name) in [("mem", "status"), ("maps", "meminfo"), ("environ", "x"), ("stat", "mem")] {
            let place = format!("/b/{name}");
            std::fs::write(&place, "").unwrap();
            bind(&format!("/proc/{pid}/{entry}"), &place);
        }
        // A mount made while the service runs is seen too.
        let guest = Guest::new();
        std::fs::write("/b/late", "").unwrap();
        bind(&format!("/proc/{pid}/mem"), "/b/late");
        assert_eq!(guest.open("/b/status", libc::O_RDONLY), EACCES);
        assert_eq!(guest.open("/b/meminfo", libc::O_RDONLY), EACCES);
        assert_eq!(guest.open("/b/late", libc::O_RDONLY), EACCES);
        let fd = guest.open("/b/x", libc::O_RDONLY);
        assert_eq!(guest.read(fd), b"A=1\0");
        let fd = guest.open("/b/mem", libc::O_RDONLY);
        assert!(guest.read(fd).starts_with(pid.to_string().as_bytes()));
    }

    fn an_opath_descriptor_opens_nothing_more() {
        let guest = Guest::new();
        let fd = guest.open("/proc/self/mem", libc::O_PATH);
        assert!(fd >= 0);
        for name in [format!("/proc/self/fd/{fd}"), format!("/dev/fd/{fd}")] {
            assert_eq!(guest.open(&name, libc::O_RDONLY), EACCES, "{name}");
            assert_eq!(guest.open(&name, libc::O_RDWR | libc::O_CREAT), EACCES, "{name}");
        }
        let reply = guest.call(libc::SYS_read, &[int(fd), Arg::BufferOut(16), int(16)]);
        assert_eq!(reply.result(), -9);
        // A directory that way, and a link itself.
        let dir = guest.open("/proc/self/map_files", libc::O_PATH);
        assert!(dir >= 0);
        let args = [int(dir), path("."), int(libc::O_RDONLY), int(0)];
        assert_eq!(guest.call(libc::SYS_openat, &args).result(), EACCES);
        let link = guest.open("/proc/self/exe", libc::O_PATH | libc::O_NOFOLLOW);
        let args = [int(link), path(""), Arg::Out(100), int(100)];
        let reply = guest.call(libc::SYS_readlinkat, &args);
        assert_eq!(&reply.outputs[2][..reply.ok() as usize], b"/bin/program");
    }

    fn descriptors_of_the_monitor_have_no_names() {
        let guest = Guest::new();
        let private = FLOOR..FLOOR + 8;
        let pid = own_pid();
        for fd in private {
            for name in [
                format!("/proc/self/fd/{fd}"),
                format!("/proc/{pid}/fd/{fd}"),
                format!("/dev/fd/{fd}"),
                format!("/proc/thread-self/fd/{fd}"),
                format!("/proc/self/task/{pid}/fd/{fd}"),
                format!("/proc/self/fdinfo/{fd}"),
                format!("/proc/self/fd/{fd}/self/mem"),
            ] {
                for flags in [libc::O_RDONLY, libc::O_RDWR, libc::O_RDONLY | libc::O_CREAT] {
                    assert!(guest.open(&name, flags) < 0, "{name}");
                }
                if !name.contains("fdinfo") {
                    assert!(guest.open(&name, libc::O_PATH) < 0, "{name}");
                    let reply = guest.call(libc::SYS_stat, &[path(&name), Arg::Out(144)]);
                    assert!(reply.result() < 0, "stat {name}");
                    let reply = guest.call(libc::SYS_readlink, &[path(&name), Arg::Out(64), int(64)]);
                    assert!(reply.result() < 0, "readlink {name}");
                    let reply = guest.call(libc::SYS_chdir, &[path(&name)]);
                    assert!(reply.result() < 0, "chdir {name}");
                    let reply = guest.call(libc::SYS_truncate, &[path(&name), int(0)]);
                    assert!(reply.result() < 0, "truncate {name}");
                }
            }
        }
    }

    fn the_listing_of_descriptors_is_the_guests() {
        let guest = Guest::new();
        let mine = guest.open("/dev/null", libc::O_RDONLY);
        for name in ["/proc/self/fd", "/dev/fd/", "/proc/self/fdinfo"] {
            let dir = guest.open(name, libc::O_RDONLY | libc::O_DIRECTORY);
            assert!(dir >= 0, "{name}: {dir}");
            let mut numbers = Vec::new();
            loop {
                // Small, so that there is a piece with the monitor's own alone.
                let args = [int(dir), Arg::Out(64), int(64)];
                let reply = guest.call(libc::SYS_getdents64, &args);
                let bytes = reply.ok() as usize;
                if bytes == 0 {
                    break;
                }
                let mut entries = reply.outputs[1][..bytes].to_vec();
                crate::calls::procfs::retain(&mut entries, |name| {
                    numbers.extend(String::from_utf8_lossy(name).parse::<i64>());
                    true
                });
            }
            assert!(numbers.contains(&mine) && numbers.contains(&0), "{name}: {numbers:?}");
            assert!(numbers.iter().all(|fd| *fd < FLOOR.into()), "{name}: {numbers:?}");
            guest.call(libc::SYS_close, &[int(dir)]).ok();
        }
    }

    fn what_is_the_guests_own_works() {
        let guest = Guest::new();
        let read = |name: &str| {
            let fd = guest.open(name, libc::O_RDONLY);
            assert!(fd >= 0, "{name}: {fd}");
            let text = guest.read(fd);
            guest.call(libc::SYS_close, &[int(fd)]).ok();
            text
        };
        assert_eq!(read("/proc/self/cmdline"), b"program\0-x\0");
        assert_eq!(read("/proc/self/environ"), b"A=1\0");
        for name in [
            "/proc/self/status", "/proc/self/stat", "/proc/self/mountinfo", "/proc/meminfo",
            "/proc/self/net/dev", "/proc/net/dev", "/proc/mounts", "/proc/sys/kernel/ostype",
            "/proc/thread-self/comm", "/proc/self/comm",
        ] {
            assert!(!read(name).is_empty(), "{name}");
        }
        // A file that the guest has open, by its name in /proc.
        std::fs::write("/a/file", "text").unwrap();
        let fd = guest.open("/a/file", libc::O_RDONLY);
        assert_eq!(read(&format!("/proc/self/fd/{fd}")), b"text");
        assert_eq!(read(&format!("/dev/fd/{fd}")), b"text");
        let name = format!("/proc/self/fd/{fd}");
        let reply = guest.call(libc::SYS_readlink, &[path(name), Arg::Out(64), int(64)]);
        assert_eq!(&reply.outputs[1][..reply.ok() as usize], b"/a/file");
        assert!(read(&format!("/proc/self/fdinfo/{fd}")).starts_with(b"pos:"));
        let dir = guest.open("/a", libc::O_RDONLY | libc::O_DIRECTORY);
        assert_eq!(read(&format!("/proc/self/fd/{dir}/file")), b"text");
        assert_eq!(read("/proc/self/root/a/file"), b"text");
        // The program.
        let reply = guest.call(libc::SYS_readlink, &[path("/proc/self/exe"), Arg::Out(64), int(64)]);
        assert_eq!(&reply.outputs[1][..reply.ok() as usize], b"/bin/program");
        assert!(read("/proc/self/exe").starts_with(b"\x7fELF"));
        assert!(guest.open("/proc/self/ns/pid", libc::O_RDONLY) >= 0);
        assert!(guest.open("/proc/self", libc::O_RDONLY | libc::O_DIRECTORY) >= 0);
        // Not for writing.
        assert_eq!(guest.open("/proc/self/cmdline", libc::O_RDWR), EACCES);
    }

    fn other_processes_are_monitors_too() {
        let guest = Guest::new();
        // SAFETY: the child only waits for its end.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        }
        for entry in CLOSED.iter().chain(&["exe", "environ", "fd", "fdinfo", "fd/0", "cwd", "root", "cwd/a"]) {
            let name = format!("/proc/{child}/{entry}");
            assert!(guest.open(&name, libc::O_RDONLY) < 0, "{name}");
            let reply = guest.call(libc::SYS_readlink, &[path(&name), Arg::Out(64), int(64)]);
            assert!(reply.result() < 0, "readlink {name}");
        }
        assert!(guest.open(&format!("/proc/{child}/stat"), libc::O_RDONLY) >= 0);
        // SAFETY: ends the child made above.
        unsafe { libc::kill(child, libc::SIGKILL) };
        let args = [int(child), Arg::Out(4), int(0), Arg::Null];
        assert_eq!(guest.call(libc::SYS_wait4, &args).result(), i64::from(child));
    }

    fn links_in_proc_hold_after_chroot() {
        let guest = Guest::new();
        for name in ["/proc", "/proc/self", "/proc/self/task"] {
            assert_eq!(guest.call(libc::SYS_chroot, &[path(name)]).result(), EACCES);
        }
        std::fs::create_dir_all("/b/proc").unwrap();
        bind("/proc", "/b/proc");
        guest.call(libc::SYS_chroot, &[path("/b")]).ok();
        guest.call(libc::SYS_chdir, &[path("/")]).ok();
        assert_eq!(guest.open("/proc/self/mem", libc::O_RDONLY), EACCES);
        assert!(guest.open("/proc/self/status", libc::O_RDONLY) >= 0);
        let fd = guest.open("/proc/self/environ", libc::O_RDONLY);
        assert_eq!(guest.read(fd), b"A=1\0");
    }

    fn paths_behind_magic_links_reach_no_call() {
        let guest = Guest::new();
        let proc = format!("/proc/self/fd/{FLOOR}");
        let (to, name) = (Arg::Out(144), |rest: &str| path(format!("{proc}{rest}")));
        let calls: [(i64, Vec<Arg>); 12] = [
            (libc::SYS_mkdir, vec![name("/x"), int(0o755)]),
            (libc::SYS_rmdir, vec![name("/x")]),
            (libc::SYS_unlink, vec![name("/x")]),
            (libc::SYS_rename, vec![name("/x"), path("/a/x")]),
            (libc::SYS_rename, vec![path("/a"), name("/x")]),
            (libc::SYS_symlink, vec![path("/a"), name("/x")]),
            (libc::SYS_link, vec![name("/version"), path("/a/x")]),
            (libc::SYS_linkat, vec![CWD, name(""), CWD, path("/a/x"), int(libc::AT_SYMLINK_FOLLOW)]),
            (libc::SYS_chroot, vec![name("")]),
            (libc::SYS_lstat, vec![name("/version"), to.clone()]),
            (libc::SYS_newfstatat, vec![CWD, name(""), to, int(0)]),
            (libc::SYS_getxattr, vec![name(""), path("user.x"), Arg::Out(8), int(8)]),
        ];
        for (number, args) in calls {
            let result = guest.call(number, &args).result();
            assert!(result == ENOENT || result == EACCES, "{number} {args:?}: {result}");
        }
        let reply = guest.call(libc::SYS_stat, &[path("/proc/self/exe"), Arg::Out(144)]);
        reply.ok();
    }
}
