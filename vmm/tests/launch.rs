//! Launches of real containers, up to the exec fifo. As root.

mod support;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{json, Value};
use support::{bind, eventually, mount, push, with_pauses, Bundle, Monitor};

fn namespace(process: impl ToString, kind: &str) -> PathBuf {
    fs::read_link(format!("/proc/{}/ns/{kind}", process.to_string())).unwrap()
}

#[test]
fn a_launch_ends_with_an_init_at_the_fifo() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&bundle.plan());
    let pid = monitor.ready();
    assert!(monitor.launcher_status().success());
    assert!(
        monitor.event().is_none(),
        "the socket is closed after ready"
    );
    for kind in ["pid", "mnt", "uts", "ipc", "net", "cgroup"] {
        assert_ne!(namespace("self", kind), namespace(pid, kind), "{kind}");
    }
    assert!(monitor.status("NSpid").ends_with("\t1"));
    assert_eq!(monitor.status("NSsid").split('\t').next_back(), Some("1"));
    assert!(
        eventually(|| monitor.proc("wchan") == "wait_for_partner"),
        "{}",
        monitor.proc("wchan")
    );
    assert!(monitor.inside("/bin/program").exists());
    let null = fs::metadata(monitor.inside("/dev/null")).unwrap();
    assert!(null.file_type().is_char_device());
    assert_eq!(
        (null.rdev(), null.mode() & 0o777),
        (libc::makedev(1, 3), 0o666)
    );
    assert_eq!(
        fs::read_link(monitor.inside("/dev/ptmx")).unwrap().to_str(),
        Some("pts/ptmx")
    );
}

#[test]
fn signals_are_as_at_the_start_of_a_program() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&bundle.plan());
    monitor.ready();
    assert_eq!(monitor.status("SigBlk"), "0000000000000000");
}

#[test]
fn names_and_sysctls_are_the_containers() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["hostname"] = json!("some-host");
    plan["domainname"] = json!("some.domain");
    plan["sysctl"] = json!({"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"});
    let mut monitor = Monitor::spawn(&plan);
    let pid = monitor.ready().to_string();
    let inside = |command: &[&str]| {
        let output = Command::new("nsenter")
            .args(["-t", &pid, "-u", "-n", "-i"])
            .args(command)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(inside(&["cat", "/proc/sys/kernel/hostname"]), "some-host");
    assert_eq!(
        inside(&["cat", "/proc/sys/kernel/domainname"]),
        "some.domain"
    );
    assert_eq!(inside(&["cat", "/proc/sys/net/ipv4/ip_forward"]), "1");
    assert_eq!(inside(&["cat", "/proc/sys/kernel/shm_rmid_forced"]), "1");

    plan["sysctl"] = json!({"net.no.such": "1"});
    let message = Monitor::spawn(&plan).error();
    assert!(
        message.ends_with("write sysctl \"net.no.such\": no such file or directory"),
        "{message}"
    );
}

#[test]
fn namespaces_are_joined_by_path() {
    let bundle = Bundle::new();
    let mut first = Monitor::spawn(&bundle.plan());
    let pid = first.ready();
    let other = Bundle::new();
    let mut plan = other.plan();
    let path = |kind: &str| format!("/proc/{pid}/ns/{kind}");
    plan["namespaces"] = json!([
        {"type": "mount"},
        {"type": "network", "path": path("net")},
        {"type": "pid", "path": path("pid")},
        {"type": "ipc", "path": path("ipc")},
        {"type": "uts", "path": path("uts")},
        {"type": "cgroup", "path": path("cgroup")},
    ]);
    let mut second = Monitor::spawn(&plan);
    let joined = second.ready();
    for kind in ["net", "pid", "ipc", "uts", "cgroup"] {
        assert_eq!(namespace(pid, kind), namespace(joined, kind), "{kind}");
    }
    assert_ne!(namespace(pid, "mnt"), namespace(joined, "mnt"));
    assert!(second.status("NSpid").ends_with("\t2") || second.status("NSpid").ends_with("\t3"));
}

#[test]
fn a_mount_namespace_is_joined_by_path() {
    let mut sleeper = Command::new("unshare")
        .args(["--mount", "sleep", "60"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let own = namespace("self", "mnt");
    assert!(eventually(|| namespace(sleeper.id(), "mnt") != own));
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["namespaces"][1]["path"] = json!(format!("/proc/{}/ns/mnt", sleeper.id()));
    let mut monitor = Monitor::spawn(&plan);
    let pid = monitor.ready();
    assert_eq!(namespace(pid, "mnt"), namespace(sleeper.id(), "mnt"));
    drop(monitor);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn wrong_namespace_paths_are_named() {
    let bundle = Bundle::new();
    let error = |path: &str| {
        let mut plan = bundle.plan();
        plan["namespaces"][4]["path"] = json!(path);
        Monitor::spawn(&plan).error()
    };
    assert_eq!(
        error("/no/such"),
        "namespace path: open /no/such: no such file or directory"
    );
    assert_eq!(
        error("/proc/self/ns/uts"),
        "namespace path: /proc/self/ns/uts is no network namespace"
    );
    assert_eq!(
        error("/etc/passwd"),
        "namespace path: /etc/passwd is no network namespace"
    );
}

#[test]
fn a_user_namespace_has_the_plans_maps() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    push(&mut plan, "namespaces", json!({"type": "user"}));
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    plan["uidMappings"] = map.clone();
    plan["gidMappings"] = map;
    let own = |path: &Path| std::os::unix::fs::chown(path, Some(100_000), Some(100_000)).unwrap();
    own(&bundle.rootfs());
    for entry in fs::read_dir(bundle.rootfs()).unwrap() {
        own(&entry.unwrap().path());
    }
    plan["process"]["uid"] = json!(5);
    let mut monitor = Monitor::spawn(&plan);
    let pid = monitor.ready();
    assert_ne!(namespace("self", "user"), namespace(pid, "user"));
    assert_eq!(monitor.status("Uid").split('\t').next(), Some("100005"));
    let null = fs::metadata(monitor.inside("/dev/null")).unwrap();
    assert_eq!(null.rdev(), libc::makedev(1, 3));
}

/// What engines give every container, in a user namespace.
#[test]
fn a_user_namespace_takes_the_usual_mounts() {
    const NONE: u64 = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    push(&mut plan, "namespaces", json!({"type": "user"}));
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    plan["uidMappings"] = map.clone();
    plan["gidMappings"] = map;
    std::os::unix::fs::chown(bundle.rootfs(), Some(100_000), Some(100_000)).unwrap();
    std::os::unix::fs::chown(bundle.rootfs().join("sys"), Some(100_000), Some(100_000)).unwrap();
    for (point, kind, flags, data) in [
        (
            "/dev/pts",
            "devpts",
            0,
            "newinstance,ptmxmode=0666,mode=0620,gid=5",
        ),
        ("/dev/shm", "tmpfs", NONE, "mode=1777,size=65536k"),
        ("/dev/mqueue", "mqueue", NONE, ""),
        ("/sys", "sysfs", NONE | libc::MS_RDONLY, ""),
        ("/sys/fs/cgroup", "cgroup", NONE | libc::MS_RDONLY, ""),
    ] {
        push(&mut plan, "mounts", mount(point, kind, kind, flags, data));
    }
    push(
        &mut plan,
        "mounts",
        bind(Path::new("/usr"), "/tmp", libc::MS_RDONLY),
    );
    plan["maskedPaths"] = json!(["/proc/keys", "/sys/firmware"]);
    plan["readonlyPaths"] = json!(["/proc/sys"]);
    plan["rootfs"]["readonly"] = json!(true);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert!(monitor.mount_of("/tmp").unwrap().0.starts_with("ro"));
    assert!(monitor.mount_of("/dev/mqueue").is_some());
}

/// The rules are a BPF program of the group, which the init is in.
#[test]
fn a_device_filter_is_attached() {
    let unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .iter()
        .map(Path::new)
        .find(|directory| directory.join("cgroup.controllers").exists());
    let Some(unified) = unified else { return };
    let group = unified.join(format!("container-devices-{}", std::process::id()));
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    let rule = |allow: bool, minor: Value, access: &str| {
        json!({"allow": allow, "type": if allow { "c" } else { "a" }, "major": if allow { json!(1) } else { json!(null) },
               "minor": minor, "access": access})
    };
    plan["cgroup"] = json!({
        "create": [group], "writes": [], "join": [group],
        "deviceFilter": {
            "directory": group,
            "rules": [rule(false, json!(null), "rwm"), rule(true, json!(3), "rwm"), rule(true, json!(5), "rm")]
        }
    });
    let mut monitor = Monitor::spawn(&plan);
    let pid = monitor.ready();
    // A process that joins the group is under the same rules.
    let script = format!(
        "echo $$ > {}/cgroup.procs; for f in null zero full; do (: < /dev/$f) && echo read $f; (: > /dev/$f) && echo write $f; done",
        group.display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "read null\nwrite null\nread zero\n"
    );
    assert!(fs::read_to_string(group.join("cgroup.procs"))
        .unwrap()
        .contains(&pid.to_string()));
    drop(monitor);
    assert!(eventually(|| fs::remove_dir(&group).is_ok()));
}

/// A control group with a limit, which the test takes away again.
#[test]
fn control_groups_are_made_before_the_init_goes_on() {
    let bundle = Bundle::new();
    let group = PathBuf::from(format!(
        "/sys/fs/cgroup/pids/container-{}",
        std::process::id()
    ));
    if !group.parent().unwrap().exists() {
        return;
    }
    let mut plan = bundle.plan();
    plan["cgroup"] = json!({
        "create": [group],
        "writes": [
            {"path": group.join("no.such.file"), "value": "1", "optional": true},
            {"path": group.join("pids.max"), "value": "17", "optional": false}
        ],
        "join": [group],
        "deviceFilter": null
    });
    let mut monitor = Monitor::spawn(&plan);
    let pid = monitor.ready();
    assert_eq!(
        fs::read_to_string(group.join("pids.max")).unwrap().trim(),
        "17"
    );
    assert_eq!(
        fs::read_to_string(group.join("cgroup.procs"))
            .unwrap()
            .trim(),
        pid.to_string()
    );
    // The group is the root of the container's cgroup namespace.
    let file = format!("/proc/{pid}/cgroup");
    let seen = Command::new("nsenter")
        .args(["-t", &pid.to_string(), "-C", "cat", &file])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&seen.stdout)
        .lines()
        .any(|line| line.ends_with(":pids:/")));
    drop(monitor);
    assert!(eventually(|| fs::remove_dir(&group).is_ok()));

    plan["cgroup"]["writes"][0]["optional"] = json!(false);
    let message = Monitor::spawn(&plan).error();
    let expected = "unable to apply cgroup configuration: failed to write \"1\": write ";
    assert!(message.contains(expected), "{message}");
    fs::remove_dir(&group).unwrap();
}

#[test]
fn a_bad_plan_is_one_clear_line() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["surprise"] = json!(1);
    let message = Monitor::spawn(&plan).error();
    assert!(
        message.starts_with("launch plan: unknown field `surprise`"),
        "{message}"
    );
    let mut plan = bundle.plan();
    plan["namespaces"] = json!([{"type": "pid"}]);
    assert_eq!(
        Monitor::spawn(&plan).error(),
        "a container needs a mount namespace"
    );
    let mut plan = bundle.plan();
    plan["rootfs"]["path"] = json!("/no/such");
    let message = Monitor::spawn(&plan).error();
    assert!(
        message.ends_with("rootfs /no/such: bind: no such file or directory"),
        "{message}"
    );
}

#[test]
fn a_hook_runs_in_the_containers_namespaces() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&with_pauses(&bundle));
    for _ in 0..2 {
        monitor.event();
    }
    monitor.send(&json!({"continue": true}));
    monitor.event();
    let pid = monitor.pid.unwrap();
    let hook = |path: &str, args: Value| {
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let request = json!({"path": path, "args": args, "env": ["X=7"]});
        ours.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinion-vmm"));
        command.args([
            "hook",
            "--pid",
            &pid.to_string(),
            "--cwd",
            bundle.rootfs().to_str().unwrap(),
        ]);
        let fd = theirs.as_raw_fd();
        // SAFETY: dup2(2) may be called between fork and exec.
        unsafe {
            command.pre_exec(move || {
                libc::dup2(fd, 3);
                Ok(())
            });
        }
        command.stdin(Stdio::null()).output().unwrap()
    };
    let script = "readlink /proc/self/ns/mnt /proc/self/ns/net; pwd; echo $X $$ $0; ls /proc/self/fd; exit 3";
    let output = hook("/bin/sh", json!(["name", "-c", script]));
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(Path::new(lines[0]), namespace(pid, "mnt"));
    assert_eq!(Path::new(lines[1]), namespace(pid, "net"));
    assert_eq!(Path::new(lines[2]), bundle.rootfs());
    assert!(
        lines[3].starts_with("7 ") && lines[3].ends_with(" name"),
        "{text}"
    );
    assert!(
        lines[4..].len() <= 4,
        "only the standard streams and ls' own: {text}"
    );
    let output = hook("/no/such", json!(["x"]));
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        message,
        "pinion-vmm: fork/exec /no/such: no such file or directory\n"
    );
}
