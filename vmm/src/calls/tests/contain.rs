//! Runs a test in a container of its own: new user, mount, pid, network, UTS and IPC namespaces, an
//! empty tmpfs as root with /proc, nothing of the host in reach, users mapped to unprivileged ones.

use std::ffi::CStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

const MARK: &str = "PINION_CALLS_CONTAINED";
const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC;

/// Declares tests that run contained.
macro_rules! contained {
    ($(#[doc = $doc:literal])* $(fn $name:ident() $body:block)*) => {
        $(
            #[test]
            fn $name() {
                let path = concat!(module_path!(), "::", stringify!($name));
                super::contain::run(path, || $body);
            }
        )*
    };
}
pub(super) use contained;

/// Runs `test`, of that path, in a container: this process starts itself again for that.
pub fn run(path: &str, test: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        enter_root();
        return test();
    }
    let (_, name) = path
        .split_once("::")
        .expect("the path begins with the crate");
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(MARK, "1");
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(enter_namespaces) };
    let output = command.output().expect("start the contained test");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    print!("{out}{err}");
    assert!(
        out.contains("1 passed"),
        "the test did not run:\n{out}\n{err}"
    );
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Before exec: new namespaces, with 65536 users mapped to those from 100000 on by a child that
/// stays outside (which takes root), and a fork, as the first child is pid 1.
fn enter_namespaces() -> io::Result<()> {
    // SAFETY: system calls with valid pointers; each child ends with _exit or goes on to exec.
    unsafe {
        let pid = libc::getpid();
        let mut ends = [0; 2];
        check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC))?;
        let mapper = check(libc::fork())?;
        if mapper == 0 {
            libc::close(ends[1]);
            let mut byte = 0u8;
            libc::read(ends[0], (&raw mut byte).cast(), 1);
            let map = "0 100000 65536";
            let users = std::fs::write(format!("/proc/{pid}/uid_map"), map);
            let groups = std::fs::write(format!("/proc/{pid}/gid_map"), map);
            libc::_exit(i32::from(users.is_err() || groups.is_err()));
        }
        check(libc::unshare(NAMESPACES))?;
        libc::close(ends[0]);
        libc::close(ends[1]);
        let mut status = 0;
        check(libc::waitpid(mapper, &mut status, 0))?;
        if status != 0 {
            return Err(io::Error::other("mapping users takes root"));
        }
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(0, 0, 0))?;
        check(libc::setresuid(0, 0, 0))?;
        let child = check(libc::fork())?;
        if child > 0 {
            libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0);
            libc::waitpid(child, &mut status, 0);
            libc::_exit(if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                99
            });
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    Ok(())
}

/// After exec: the root directory.
fn enter_root() {
    let mount = |source: &CStr, target: &CStr, kind: &CStr, flags, data: &CStr| {
        // SAFETY: all are strings.
        let result = unsafe {
            let data = data.as_ptr().cast();
            libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data)
        };
        check(result).unwrap_or_else(|error| panic!("mount {target:?}: {error}"));
    };
    mount(c"none", c"/", c"", libc::MS_REC | libc::MS_PRIVATE, c"");
    mount(c"tmpfs", c"/tmp", c"tmpfs", 0, c"size=64m,nr_inodes=4096");
    for dir in ["proc", "dev", "a", "b", "tmp"] {
        std::fs::create_dir(format!("/tmp/{dir}")).expect("make a directory");
    }
    mount(c"proc", c"/tmp/proc", c"proc", 0, c"");
    for device in [c"null", c"zero", c"full", c"random", c"urandom"] {
        let [from, to] =
            ["/dev", "/tmp/dev"].map(|dir| format!("{dir}/{}\0", device.to_str().unwrap()));
        std::fs::write(to.trim_end_matches('\0'), "").expect("make a device's place");
        let [from, to] =
            [&from, &to].map(|path| CStr::from_bytes_with_nul(path.as_bytes()).unwrap());
        mount(from, to, c"", libc::MS_BIND, c"");
    }
    for (text, name) in [("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin")] {
        std::os::unix::fs::symlink(text, format!("/tmp/dev/{name}")).expect("make a link");
    }
    // SAFETY: all are strings.
    let result = unsafe {
        libc::chdir(c"/tmp".as_ptr());
        libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr())
    };
    check(result as i32).expect("pivot_root");
    // SAFETY: all are strings.
    check(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) }).expect("leave the old root");
    std::env::set_current_dir("/").expect("enter the root");
}
