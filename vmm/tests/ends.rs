//! Launches that stop on the way, or are cut short at any time. As root.

mod support;

use std::fs;

use serde_json::json;
use support::{eventually, with_pauses, Bundle, Monitor};

#[test]
fn pauses_wait_for_the_callers_word() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&with_pauses(&bundle));
    assert_eq!(monitor.event().unwrap()["event"], "pid");
    assert_eq!(
        monitor.event().unwrap(),
        json!({"event": "pause", "at": "createRuntime"})
    );
    // The rootfs is mounted in the container's mount namespace by now.
    assert!(monitor
        .mount_of(bundle.rootfs().join("proc").to_str().unwrap())
        .is_some());
    monitor.send(&json!({"continue": true}));
    assert_eq!(
        monitor.event().unwrap(),
        json!({"event": "pause", "at": "createContainer"})
    );
    monitor.send(&json!({"continue": true}));
    monitor.ready();
}

#[test]
fn a_pause_can_end_in_an_abort() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&with_pauses(&bundle));
    monitor.event();
    monitor.event();
    monitor.send(&json!({"abort": "the hook said no"}));
    assert_eq!(monitor.error(), "the hook said no");
    assert_eq!(monitor.launcher_status().code(), Some(1));
}

fn is_gone(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.map_or(true, |stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    })
}

#[test]
fn a_caller_that_goes_away_takes_the_launch_with_it() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&with_pauses(&bundle));
    monitor.event();
    monitor.event();
    let pid = monitor.pid.unwrap();
    monitor.socket.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(eventually(|| is_gone(pid)));
    assert_eq!(monitor.launcher_status().code(), Some(1));
}

#[test]
fn a_launcher_that_is_killed_takes_its_init_with_it() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&with_pauses(&bundle));
    monitor.event();
    monitor.event();
    let pid = monitor.pid.unwrap();
    monitor.launcher.kill().unwrap();
    assert!(eventually(|| is_gone(pid)));
}

/// Ends a launch after ever longer times. Without `ready` the init is gone, whoever was ended.
fn cut_short(end: impl Fn(&mut Monitor)) {
    let bundle = Bundle::new();
    for step in 0..60 {
        let mut monitor = Monitor::spawn(&bundle.plan());
        std::thread::sleep(std::time::Duration::from_micros(step * 100));
        end(&mut monitor);
        let mut ready = false;
        while let Some(event) = monitor.event() {
            ready |= event["event"] == "ready";
        }
        if let Some(pid) = monitor.pid {
            assert!(ready || eventually(|| is_gone(pid)), "step {step}");
        }
    }
}

#[test]
fn a_launcher_that_is_killed_at_any_time_leaves_nothing() {
    cut_short(|monitor| monitor.launcher.kill().unwrap());
}

#[test]
fn a_caller_that_is_gone_at_any_time_leaves_nothing() {
    // What had arrived by then can still be read.
    cut_short(|monitor| monitor.socket.shutdown(std::net::Shutdown::Both).unwrap());
}

#[test]
fn an_init_that_is_killed_is_reported() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&with_pauses(&bundle));
    monitor.event();
    monitor.event();
    // SAFETY: the init is the launcher's child, not yet waited for.
    unsafe { libc::kill(monitor.pid.unwrap(), libc::SIGKILL) };
    assert_eq!(
        monitor.error(),
        "the container's process ended before it was ready: signal 9"
    );
    monitor.pid = None;
}

#[test]
fn a_launcher_in_the_foreground_ends_as_its_init() {
    use std::os::unix::process::ExitStatusExt;
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["foreground"] = json!(true);
    let mut monitor = Monitor::spawn(&plan);
    let pid = monitor.ready();
    let open = format!("/proc/{}/fd", monitor.launcher.id());
    assert!(eventually(|| fs::read_dir(&open).unwrap().count() == 0));
    // SAFETY: the init is the launcher's child, not yet waited for.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let status = monitor.launcher_status();
    assert_eq!(status.signal(), Some(libc::SIGKILL));
    assert!(!status.core_dumped());
    monitor.pid = None;
}
