//! Mounts, devices and paths in a rootfs, also a hostile one. As root.

mod support;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::json;
use support::{bind, device, mount, push, Bundle, Monitor};

const NONE: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;

#[test]
fn file_systems_have_their_flags_and_options() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    push(
        &mut plan,
        "mounts",
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            NONE & !libc::MS_NODEV,
            "newinstance,ptmxmode=0666,mode=0620,gid=5",
        ),
    );
    push(
        &mut plan,
        "mounts",
        mount("/dev/shm", "tmpfs", "shm", NONE, "mode=1777,size=65536k"),
    );
    push(
        &mut plan,
        "mounts",
        mount("/dev/mqueue", "mqueue", "mqueue", NONE, ""),
    );
    push(
        &mut plan,
        "mounts",
        mount("/sys", "sysfs", "sysfs", NONE | libc::MS_RDONLY, ""),
    );
    push(
        &mut plan,
        "mounts",
        mount("/ro", "tmpfs", "tmpfs", libc::MS_RDONLY, ""),
    );
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    let options = |point: &str| monitor.mount_of(point).unwrap();
    let (flags, kind, data) = options("/dev/pts");
    assert_eq!(
        (flags.as_str(), kind.as_str()),
        ("rw,nosuid,noexec,relatime", "devpts")
    );
    assert_eq!(data, "rw,gid=5,mode=620,ptmxmode=666");
    let (flags, _, data) = options("/dev/shm");
    assert_eq!(flags, "rw,nosuid,nodev,noexec,relatime");
    assert!(data.contains("size=65536k"), "{data}");
    assert_eq!(
        fs::metadata(monitor.inside("/dev/shm")).unwrap().mode() & 0o7777,
        0o1777
    );
    assert_eq!(options("/dev/mqueue").1, "mqueue");
    assert_eq!(options("/sys").0, "ro,nosuid,nodev,noexec,relatime");
    assert!(options("/ro").0.starts_with("ro,"));
    assert_eq!(options("/dev").0, "rw,nosuid");
}

#[test]
fn binds_show_the_hosts_files_and_later_changes() {
    let bundle = Bundle::new();
    let source = bundle.directory.join("volume");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "text").unwrap();
    let mut plan = bundle.plan();
    push(&mut plan, "mounts", bind(&source, "/volume", 0));
    push(
        &mut plan,
        "mounts",
        bind(&source, "/read/only", libc::MS_RDONLY | libc::MS_NOSUID),
    );
    push(
        &mut plan,
        "mounts",
        bind(&source.join("file"), "/etc/some/file", libc::MS_RDONLY),
    );
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    fs::write(source.join("later"), "").unwrap();
    assert!(monitor.inside("/volume/later").exists());
    fs::write(monitor.inside("/volume/back"), "").unwrap();
    assert!(source.join("back").exists());
    assert!(fs::write(monitor.inside("/read/only/x"), "").is_err());
    assert_eq!(
        fs::read_to_string(monitor.inside("/etc/some/file")).unwrap(),
        "text"
    );
    assert!(monitor
        .mount_of("/read/only")
        .unwrap()
        .0
        .starts_with("ro,nosuid"));
}

#[test]
fn propagation_is_the_plans() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    let mut shared = mount("/shared", "tmpfs", "tmpfs", 0, "");
    shared["propagation"] = json!([libc::MS_SHARED]);
    push(&mut plan, "mounts", shared);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    let info = monitor.proc("mountinfo");
    let line = info
        .lines()
        .find(|line| line.contains(" /shared "))
        .unwrap();
    assert!(line.contains(" shared:"), "{line}");
    for line in info.lines().filter(|line| !line.contains(" /shared ")) {
        assert!(!line.contains(" shared:"), "{line}");
    }
}

#[test]
fn each_root_propagation_works_and_stays_off_the_host() {
    for (flags, word) in [
        (libc::MS_SHARED, "shared:"),
        (libc::MS_PRIVATE, ""),
        (libc::MS_UNBINDABLE, "unbindable"),
    ] {
        let bundle = Bundle::new();
        let mut plan = bundle.plan();
        plan["rootfs"]["propagation"] = json!(flags | libc::MS_REC);
        let mut monitor = Monitor::spawn(&plan);
        monitor.ready();
        let info = monitor.proc("mountinfo");
        let root = info
            .lines()
            .find(|line| line.split(' ').nth(4) == Some("/"))
            .unwrap();
        assert!(root.contains(word), "{root}");
        let host = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!host.contains(bundle.directory.to_str().unwrap()));
    }
}

#[test]
fn recursive_attributes_reach_the_mounts_below() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    let mut volume = bind(Path::new("/sys"), "/volume", 0);
    volume["recursiveSet"] = json!(1); // MOUNT_ATTR_RDONLY
    push(&mut plan, "mounts", volume);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    let info = monitor.proc("mountinfo");
    let below: Vec<&str> = info
        .lines()
        .filter(|line| line.contains(" /volume"))
        .collect();
    assert!(below.len() > 1);
    for line in below {
        assert!(line.split(' ').nth(5).unwrap().starts_with("ro"), "{line}");
    }
}

#[test]
fn a_tmpfs_can_start_with_what_it_covers() {
    let bundle = Bundle::new();
    bundle.file("etc/data", "text", 0o640);
    fs::create_dir(bundle.rootfs().join("etc/sub")).unwrap();
    bundle.file("etc/sub/deep", "deep", 0o600);
    bundle.link("etc/link", "/etc/passwd");
    fs::set_permissions(
        bundle.rootfs().join("etc"),
        fs::Permissions::from_mode(0o750),
    )
    .unwrap();
    let mut plan = bundle.plan();
    let mut etc = mount("/etc", "tmpfs", "tmpfs", 0, "");
    etc["copyUp"] = json!(true);
    push(&mut plan, "mounts", etc);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert_eq!(monitor.mount_of("/etc").unwrap().1, "tmpfs");
    assert_eq!(
        fs::metadata(monitor.inside("/etc")).unwrap().mode() & 0o7777,
        0o750
    );
    assert_eq!(
        fs::read_to_string(monitor.inside("/etc/data")).unwrap(),
        "text"
    );
    assert_eq!(
        fs::metadata(monitor.inside("/etc/data")).unwrap().mode() & 0o7777,
        0o640
    );
    assert_eq!(
        fs::read_to_string(monitor.inside("/etc/sub/deep")).unwrap(),
        "deep"
    );
    assert_eq!(
        fs::read_link(monitor.inside("/etc/link")).unwrap().to_str(),
        Some("/etc/passwd")
    );
}

#[test]
fn control_groups_are_seen_as_roots() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    push(
        &mut plan,
        "mounts",
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            NONE | libc::MS_RDONLY,
            "",
        ),
    );
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    for line in own.lines().filter(|line| !line.starts_with("0:")) {
        let name = line.split(':').nth(1).unwrap().trim_start_matches("name=");
        let point = format!("/sys/fs/cgroup/{name}");
        assert!(
            monitor.inside(&format!("{point}/cgroup.procs")).exists(),
            "{point}"
        );
        assert!(monitor.mount_of(&point).unwrap().0.starts_with("ro"));
    }
    assert!(monitor
        .mount_of("/sys/fs/cgroup")
        .unwrap()
        .0
        .starts_with("ro"));
}

#[test]
fn paths_are_masked_and_read_only() {
    let bundle = Bundle::new();
    bundle.file("etc/secret", "secret", 0o644);
    bundle.file("empty/secret", "secret", 0o644);
    bundle.link("etc/detour", "../../../../etc/secret");
    let mut plan = bundle.plan();
    plan["maskedPaths"] = json!(["/etc/detour", "/empty", "/proc/stat", "/not/there", "/tmp"]);
    plan["readonlyPaths"] = json!(["/proc/sys", "/etc", "/not/there"]);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert_eq!(
        fs::read_to_string(monitor.inside("/etc/secret")).unwrap(),
        ""
    );
    assert!(fs::metadata(monitor.inside("/proc/stat"))
        .unwrap()
        .file_type()
        .is_char_device());
    for directory in ["/empty", "/tmp"] {
        assert_eq!(fs::read_dir(monitor.inside(directory)).unwrap().count(), 0);
        assert!(fs::write(monitor.inside(directory).join("x"), "").is_err());
    }
    assert!(fs::write(monitor.inside("/etc/x"), "").is_err());
    assert!(monitor.mount_of("/proc/sys").unwrap().0.starts_with("ro"));
}

#[test]
fn a_read_only_root_takes_no_writes() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["rootfs"]["readonly"] = json!(true);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert!(fs::write(monitor.inside("/x"), "").is_err());
    assert!(monitor.mount_of("/").unwrap().0.starts_with("ro"));
    assert!(monitor.mount_of("/dev").unwrap().0.starts_with("rw"));
    // The rootfs of the host is as writable as it was.
    fs::write(bundle.rootfs().join("x"), "").unwrap();
}

#[test]
fn without_pivot_root_the_root_is_moved() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["rootfs"]["noPivot"] = json!(true);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert!(monitor.inside("/bin/program").exists());
    assert!(!monitor.inside(bundle.directory.to_str().unwrap()).exists());
}

#[test]
fn the_old_root_is_out_of_reach() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&bundle.plan());
    monitor.ready();
    let info = monitor.proc("mountinfo");
    let points: Vec<&str> = info
        .lines()
        .map(|line| line.split(' ').nth(4).unwrap())
        .collect();
    assert_eq!(points, ["/", "/proc", "/dev"], "{info}");
}

#[test]
fn errors_name_source_and_destination() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    push(
        &mut plan,
        "mounts",
        bind(Path::new("/etc/passwd"), "/empty", 0),
    );
    assert_eq!(
        Monitor::spawn(&plan).error(),
        "unable to start container process: error during container init: \
         error mounting \"/etc/passwd\" to rootfs at \"/empty\": not a directory"
    );
    let mut plan = bundle.plan();
    push(
        &mut plan,
        "mounts",
        bind(Path::new("/no/such"), "/empty", 0),
    );
    let message = Monitor::spawn(&plan).error();
    assert!(
        message.ends_with("\"/no/such\" to rootfs at \"/empty\": no such file or directory"),
        "{message}"
    );
    let mut plan = bundle.plan();
    push(
        &mut plan,
        "mounts",
        mount("/empty", "nosuchfs", "none", 0, ""),
    );
    let message = Monitor::spawn(&plan).error();
    assert!(message.ends_with("no such device"), "{message}");
    let mut plan = bundle.plan();
    push(
        &mut plan,
        "mounts",
        mount("/empty", "tmpfs", "tmpfs", 0, "nosuchoption"),
    );
    let message = Monitor::spawn(&plan).error();
    assert!(message.ends_with("invalid argument"), "{message}");
}

#[test]
fn a_device_that_is_another_file_is_an_error() {
    let bundle = Bundle::new();
    bundle.file("tmp/null", "", 0o644);
    let mut plan = bundle.plan();
    push(&mut plan, "devices", device("/tmp/null", 1, 3));
    let message = Monitor::spawn(&plan).error();
    assert!(
        message.ends_with("error creating device /tmp/null: another file is there"),
        "{message}"
    );
}
