//! How a monitor ends, as its parent sees it: also as pid 1 of a pid namespace. As root.

mod support;

use std::os::unix::process::ExitStatusExt;

use pinion_vmm::container::seccomp;
use pinion_vmm::exit::{end_as, ExitStatus};
use serde_json::json;
use support::{Bundle, Monitor};

/// The wait status of a child that ends so; `namespace`: as pid 1 of a new pid namespace.
fn wait_status(status: ExitStatus, namespace: bool, filter: bool) -> i32 {
    // unshare(2) changes what the children of one thread are in.
    let thread = std::thread::spawn(move || {
        // SAFETY: the child makes system calls only, and ends.
        unsafe {
            if namespace {
                assert_eq!(libc::unshare(libc::CLONE_NEWPID), 0);
            }
            match libc::fork() {
                0 => {
                    if filter && seccomp::install().is_err() {
                        libc::_exit(99);
                    }
                    end_as(status)
                }
                child => {
                    let mut status = 0;
                    assert_eq!(libc::waitpid(child, &mut status, 0), child);
                    status
                }
            }
        }
    });
    thread.join().unwrap()
}

#[test]
fn codes_are_codes() {
    for code in [0, 1, 127, 255] {
        for namespace in [false, true] {
            let status = wait_status(ExitStatus::Code(code), namespace, false);
            assert!(libc::WIFEXITED(status));
            assert_eq!(libc::WEXITSTATUS(status), i32::from(code));
        }
    }
}

#[test]
fn signals_are_died_of_without_a_core() {
    for signal in [
        libc::SIGTERM,
        libc::SIGKILL,
        libc::SIGABRT,
        libc::SIGSEGV,
        libc::SIGPIPE,
        libc::SIGSYS,
    ] {
        let status = wait_status(ExitStatus::Signal(signal), false, false);
        assert!(libc::WIFSIGNALED(status), "{signal}");
        assert_eq!(libc::WTERMSIG(status), signal);
        assert!(!libc::WCOREDUMP(status));
    }
}

/// Pid 1 is immune to its own signals, but not to its faults.
#[test]
fn pid_1_dies_of_faults() {
    for signal in [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGTRAP,
        libc::SIGSYS,
    ] {
        let status = wait_status(ExitStatus::Signal(signal), true, true);
        assert!(libc::WIFSIGNALED(status), "{signal}: {status:#x}");
        assert_eq!(libc::WTERMSIG(status), signal);
        assert!(!libc::WCOREDUMP(status));
    }
}

#[test]
fn pid_1_ends_with_the_code_that_waiters_compute_of_other_signals() {
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGABRT] {
        let status = wait_status(ExitStatus::Signal(signal), true, true);
        assert!(libc::WIFEXITED(status));
        assert_eq!(libc::WEXITSTATUS(status), 128 + signal);
    }
}

/// A whole way, from a program in a microVM to the launcher's caller.
#[test]
fn the_programs_status_is_the_launchers() {
    let bundle = Bundle::new();
    std::fs::copy("/usr/bin/busybox", bundle.rootfs().join("bin/busybox")).unwrap();
    let status = |args: &[&str]| {
        let mut plan = bundle.plan();
        plan["foreground"] = json!(true);
        plan["execFifo"] = json!(null);
        plan["process"]["args"] = json!(args);
        let mut monitor = Monitor::spawn(&plan);
        monitor.ready();
        let status = monitor.launcher_status();
        monitor.pid = None;
        status
    };
    assert_eq!(status(&["/bin/busybox", "true"]).code(), Some(0));
    assert_eq!(status(&["/bin/busybox", "false"]).code(), Some(1));
    assert_eq!(
        status(&["/bin/busybox", "sh", "-c", "exit 42"]).code(),
        Some(42)
    );
    // The shell is pid 1: its own signals do not reach it, as on Linux.
    let script = "kill -TERM $$; exit 7";
    assert_eq!(
        status(&["/bin/busybox", "sh", "-c", script]).code(),
        Some(7)
    );
    assert_eq!(status(&["/bin/busybox", "true"]).signal(), None);
}
