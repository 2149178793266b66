//! A hostile image: what its links, files and working directory try. As root.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use support::{bind, device, mount, push, Bundle, Monitor};

/// CVE-2021-30465 and its kin: a destination that leads out of the rootfs.
#[test]
fn symbolic_links_of_the_image_stay_in_it() {
    let bundle = Bundle::new();
    let outside = bundle.directory.join("outside");
    fs::create_dir(&outside).unwrap();
    let path = outside.to_str().unwrap().to_owned();
    bundle.link("absolute", &path);
    bundle.link("relative", "../../../../../../../../../../../..");
    bundle.link("dangling", "/var/made/by/mount");
    let mut plan = bundle.plan();
    push(
        &mut plan,
        "mounts",
        mount("/absolute/sub", "tmpfs", "tmpfs", 0, ""),
    );
    push(
        &mut plan,
        "mounts",
        mount("/relative/up", "tmpfs", "tmpfs", 0, ""),
    );
    push(
        &mut plan,
        "mounts",
        mount("/dangling/end", "tmpfs", "tmpfs", 0, ""),
    );
    push(&mut plan, "devices", device("/absolute/device", 1, 7));
    plan["devLinks"]["/absolute/link"] = json!("/x");
    plan["process"]["cwd"] = json!("/absolute/cwd");
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert_eq!(
        fs::read_dir(&outside).unwrap().count(),
        0,
        "nothing is made outside"
    );
    assert!(!Path::new("/up").exists());
    let inside = format!("{path}/sub");
    assert_eq!(monitor.mount_of(&inside).unwrap().1, "tmpfs");
    assert_eq!(monitor.mount_of("/up").unwrap().1, "tmpfs");
    assert_eq!(
        monitor.mount_of("/var/made/by/mount/end").unwrap().1,
        "tmpfs"
    );
    assert!(monitor.inside(&format!("{path}/device")).exists());
}

#[test]
fn a_loop_of_links_is_an_error() {
    let bundle = Bundle::new();
    bundle.link("one", "two");
    bundle.link("two", "one");
    let mut plan = bundle.plan();
    push(
        &mut plan,
        "mounts",
        mount("/one/x", "tmpfs", "tmpfs", 0, ""),
    );
    let message = Monitor::spawn(&plan).error();
    assert!(
        message.ends_with("too many levels of symbolic links"),
        "{message}"
    );
}

#[test]
fn nothing_is_mounted_over_parts_of_proc() {
    let check = |destination: &str, link: Option<(&str, &str)>, expected: &str| {
        let bundle = Bundle::new();
        if let Some((name, target)) = link {
            bundle.link(name, target);
        }
        let mut plan = bundle.plan();
        push(&mut plan, "mounts", bind(Path::new("/etc"), destination, 0));
        let message = Monitor::spawn(&plan).error();
        assert!(message.ends_with(expected), "{destination}: {message}");
    };
    check(
        "/proc",
        None,
        "cannot be mounted because it is not of type proc",
    );
    check(
        "/proc/self",
        None,
        "cannot be mounted because it is inside /proc",
    );
    check(
        "/proc/sys/kernel",
        None,
        "cannot be mounted because it is inside /proc",
    );
    check(
        "/proc/no/such",
        None,
        "cannot be mounted because it is inside /proc",
    );
    check(
        "/etc/../proc/sys",
        None,
        "cannot be mounted because it is inside /proc",
    );
    check(
        "/detour/sys",
        Some(("detour", "/proc")),
        "cannot be mounted because it is inside /proc",
    );
    check(
        "/detour",
        Some(("detour", "proc/1/attr")),
        "cannot be mounted because it is inside /proc",
    );
}

#[test]
fn the_few_files_of_proc_that_may_be_covered() {
    let bundle = Bundle::new();
    let file = bundle.directory.join("uptime");
    fs::write(&file, "1 1\n").unwrap();
    let mut plan = bundle.plan();
    push(&mut plan, "mounts", bind(&file, "/proc/uptime", 0));
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert_eq!(
        fs::read_to_string(monitor.inside("/proc/uptime")).unwrap(),
        "1 1\n"
    );
}

/// CVE-2019-19921: procfs at the end of a link would leave /proc the image's.
#[test]
fn procfs_goes_to_an_ordinary_directory_only() {
    let bundle = Bundle::new();
    fs::remove_dir(bundle.rootfs().join("proc")).unwrap();
    bundle.link("proc", "/tmp");
    let message = Monitor::spawn(&bundle.plan()).error();
    assert!(
        message.ends_with("filesystem \"proc\" must be mounted on ordinary directory"),
        "{message}"
    );
}

/// CVE-2024-21626: a working directory through a descriptor that is open to the host.
#[test]
fn the_working_directory_follows_no_magic_link() {
    for cwd in [
        "/proc/self/fd/3",
        "/proc/self/fd/16255",
        "/proc/1/cwd",
        "/proc/self/root",
    ] {
        let bundle = Bundle::new();
        let mut plan = bundle.plan();
        plan["process"]["cwd"] = json!(cwd);
        let message = Monitor::spawn(&plan).error();
        assert!(
            message.starts_with("unable to start container process: "),
            "{message}"
        );
        let link = bundle.rootfs().join("link");
        symlink(cwd, link).unwrap();
        plan["process"]["cwd"] = json!("/link");
        Monitor::spawn(&plan).error();
    }
}

#[test]
fn hostile_etc_passwd_neither_hangs_nor_leads_out() {
    for target in [
        "/proc/self/mem",
        "/dev/zero",
        "/../../../../../../etc/shadow",
        "/proc/self/fd/0",
    ] {
        let bundle = Bundle::new();
        fs::remove_file(bundle.rootfs().join("etc/passwd")).unwrap();
        bundle.link("etc/passwd", target);
        Monitor::spawn(&bundle.plan()).ready();
    }
}
