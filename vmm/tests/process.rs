//! What the container's init is before `start`: descriptors, credentials, limits, the program's
//! lookup. As root.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{chown, PermissionsExt};

use serde_json::json;
use support::{linked_by, program, Bundle, Monitor};

/// The init's descriptors: number -> what it is.
fn descriptors(monitor: &Monitor) -> BTreeMap<i32, String> {
    let directory = format!("/proc/{}/fd", monitor.pid.unwrap());
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let number = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            (
                number,
                fs::read_link(&path).unwrap().to_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[test]
fn every_descriptor_that_nobody_told_of_is_closed() {
    let bundle = Bundle::new();
    let secret = File::open("/etc/passwd").unwrap();
    let mut monitor =
        Monitor::spawn_with(&bundle.plan(), &[secret.as_raw_fd(), secret.as_raw_fd()]);
    monitor.ready();
    assert!(monitor.event().is_none());
    let descriptors = descriptors(&monitor);
    assert!(
        descriptors.values().all(|name| name != "/etc/passwd"),
        "{descriptors:?}"
    );
    let low: Vec<i32> = descriptors
        .keys()
        .copied()
        .filter(|number| *number < 900)
        .collect();
    assert_eq!(low, [0, 1, 2], "{descriptors:?}");
    // A fork makes its machine from the monitor's own /dev/kvm: the container's /dev has none.
    let has = |wanted: &str| descriptors.values().any(|name| name.contains(wanted));
    assert!(has("kvm-vm") && !has("socket"), "{descriptors:?}");
    assert!(!monitor.inside("/dev/kvm").exists());
}

#[test]
fn preserved_descriptors_keep_their_numbers() {
    let bundle = Bundle::new();
    let (first, second) = (
        File::open("/etc/passwd").unwrap(),
        File::open("/etc/group").unwrap(),
    );
    let mut plan = bundle.plan();
    plan["preserveFds"] = json!(2);
    let mut monitor = Monitor::spawn_with(&plan, &[first.as_raw_fd(), second.as_raw_fd()]);
    monitor.ready();
    assert!(monitor.event().is_none());
    let descriptors = descriptors(&monitor);
    assert_eq!(descriptors[&3], "/etc/passwd");
    assert_eq!(descriptors[&4], "/etc/group");
    assert!(
        descriptors
            .keys()
            .all(|number| *number < 5 || *number > 900),
        "{descriptors:?}"
    );
}

#[test]
fn a_missing_preserved_descriptor_is_named() {
    let bundle = Bundle::new();
    let file = File::open("/etc/passwd").unwrap();
    let mut plan = bundle.plan();
    plan["preserveFds"] = json!(2);
    let mut monitor = Monitor::spawn_with(&plan, &[file.as_raw_fd()]);
    assert_eq!(
        monitor.error(),
        "unable to stat preserved-fd 1 (of 2): bad file descriptor"
    );
}

#[test]
fn credentials_are_the_plans() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    let process = &mut plan["process"];
    process["uid"] = json!(1000);
    process["gid"] = json!(1001);
    process["additionalGids"] = json!([7, 8]);
    process["umask"] = json!(0o027);
    process["cwd"] = json!("/new/directory");
    process["capabilities"] = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_KILL"],
        "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL"]
    });
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert_eq!(monitor.status("Uid"), "1000\t1000\t1000\t1000");
    assert_eq!(monitor.status("Gid"), "1001\t1001\t1001\t1001");
    assert_eq!(monitor.status("Groups"), "7 8");
    assert_eq!(monitor.status("Umask"), "0027");
    assert_eq!(monitor.status("CapBnd"), "0000000000002021");
    // As after execve(2): to a user who is not root only ambient ones stay.
    assert_eq!(monitor.status("CapPrm"), "0000000000000020");
    assert_eq!(monitor.status("CapEff"), "0000000000000020");
    assert_eq!(monitor.status("CapInh"), "0000000000000020");
    assert_eq!(monitor.status("CapAmb"), "0000000000000020");
    assert_eq!(monitor.status("NoNewPrivs"), "1");
    assert_eq!(monitor.status("Seccomp"), "2");
    let cwd = fs::read_link(format!("/proc/{}/cwd", monitor.pid.unwrap())).unwrap();
    assert!(cwd.ends_with("new/directory"), "{cwd:?}");
}

#[test]
fn without_no_new_privileges_the_filter_is_there_too() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["process"]["noNewPrivileges"] = json!(false);
    plan["process"]["uid"] = json!(1000);
    plan["process"]["capabilities"] = json!(null);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert_eq!(monitor.status("NoNewPrivs"), "0");
    assert_eq!(monitor.status("Seccomp"), "2");
    assert_eq!(monitor.status("CapPrm"), "0000000000000000");
    assert_eq!(monitor.status("CapBnd"), "0000000000000000");
}

#[test]
fn an_unknown_capability_is_an_error() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["process"]["capabilities"]["bounding"] = json!(["CAP_MAGIC"]);
    let message = Monitor::spawn(&plan).error();
    assert!(
        message.ends_with("unknown capability \"CAP_MAGIC\""),
        "{message}"
    );
}

/// Limits that bound the guest's memory and descriptors would bound the monitor's.
#[test]
fn only_the_hosts_limits_are_set() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    let limit = |kind: &str, value: &str| json!({"type": kind, "soft": value, "hard": value});
    plan["process"]["rlimits"] = json!([
        limit("RLIMIT_NOFILE", "64"),
        limit("RLIMIT_AS", "1000000"),
        limit("RLIMIT_NPROC", "3"),
        limit("RLIMIT_FSIZE", "123456"),
        limit("RLIMIT_CPU", "77"),
    ]);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    let limits = monitor.proc("limits");
    let value = |name: &str| {
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(value("Max file size"), "123456");
    assert_eq!(value("Max cpu time"), "77");
    assert_ne!(value("Max open files"), "64");
    assert_ne!(value("Max address space"), "1000000");
    assert_ne!(value("Max processes"), "3");
}

#[test]
fn the_oom_score_is_the_plans_and_the_launchers_is_not() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["process"]["oomScoreAdj"] = json!(500);
    plan["foreground"] = json!(true);
    let mut monitor = Monitor::spawn(&plan);
    monitor.ready();
    assert_eq!(monitor.proc("oom_score_adj").trim(), "500");
    let launcher =
        fs::read_to_string(format!("/proc/{}/oom_score_adj", monitor.launcher.id())).unwrap();
    assert_eq!(
        launcher,
        fs::read_to_string("/proc/self/oom_score_adj").unwrap()
    );
}

/// Each error in the words that engines search for.
#[test]
fn the_program_is_looked_up_before_ready() {
    let bundle = Bundle::new();
    bundle.file("bin/data", "", 0o644);
    bundle.file("bin/secret", "", 0o700);
    let error = |args: serde_json::Value, change: &dyn Fn(&mut serde_json::Value)| {
        let mut plan = bundle.plan();
        plan["process"]["args"] = args;
        change(&mut plan["process"]);
        Monitor::spawn(&plan).error()
    };
    let as_root = |_: &mut serde_json::Value| {};
    let as_user = |process: &mut serde_json::Value| {
        process["uid"] = json!(1000);
        process["capabilities"] = json!(null);
    };
    let text = |message: &str| format!("unable to start container process: {message}");
    assert_eq!(
        error(json!(["nosuch"]), &as_root),
        text("exec: \"nosuch\": executable file not found in $PATH")
    );
    assert_eq!(
        error(json!(["/x"]), &as_root),
        text("exec: \"/x\": stat /x: no such file or directory")
    );
    assert_eq!(
        error(json!(["/bin/data"]), &as_root),
        text("exec: \"/bin/data\": permission denied")
    );
    assert_eq!(
        error(json!(["data"]), &as_root),
        text("exec: \"data\": executable file not found in $PATH")
    );
    assert_eq!(
        error(json!(["/proc"]), &as_root),
        text("exec: \"/proc\": is a directory")
    );
    assert_eq!(
        error(json!(["/bin/secret"]), &as_user),
        text("exec: \"/bin/secret\": permission denied")
    );
    assert_eq!(
        error(json!(["program"]), &|process| {
            process["env"] = json!(["PATH="]);
            process["cwd"] = json!("/bin");
        }),
        text("exec: \"program\": executable file not found in $PATH")
    );
    assert_eq!(
        error(json!(["/proc/self/exe"]), &as_root),
        text("exec: \"/proc/self/exe\": stat /proc/self/exe: too many levels of symbolic links")
    );
}

/// The smallest program with a change, in the words that engines search for.
#[test]
fn what_could_not_run_is_refused_before_ready() {
    let bundle = Bundle::new();
    let error = |file: &[u8]| {
        bundle.file("bin/program", file, 0o755);
        let message = Monitor::spawn(&bundle.plan()).error();
        let prefix = "unable to start container process: exec /bin/program: ";
        message.strip_prefix(prefix).unwrap_or(&message).to_owned()
    };
    let changed = |at: usize, byte: u8| {
        let mut file = program();
        file[at] = byte;
        file
    };
    const MACHINE: usize = 18;
    const ARM64: u8 = 183;
    assert_eq!(error(b""), "exec format error: not an ELF file");
    assert_eq!(error(b"echo\n"), "exec format error: not an ELF file");
    assert_eq!(
        error(&changed(MACHINE, ARM64)),
        "exec format error: not for x86-64"
    );
    assert_eq!(
        error(&changed(16, 1)),
        "exec format error: no executable ELF file"
    );
    let whole = program();
    for bytes in [4, 63, 64, 64 + 55, whole.len() - 1] {
        assert_eq!(
            error(&whole[..bytes]),
            "exec format error: the file is truncated",
            "{bytes}"
        );
    }
    assert_eq!(error(b"#!\n"), "exec format error");
    assert_eq!(
        error(b"#!/nosuch\n"),
        "interpreter /nosuch: no such file or directory"
    );
    assert_eq!(
        error(b"#!/etc/passwd\n"),
        "interpreter /etc/passwd: permission denied"
    );
    assert_eq!(
        error(b"#!/proc/self/exe\n"),
        "interpreter /proc/self/exe: too many levels of symbolic links"
    );
    bundle.file("bin/other", changed(MACHINE, ARM64), 0o755);
    assert_eq!(
        error(b"#!/bin/other\n"),
        "interpreter /bin/other: exec format error: not for x86-64"
    );
}

#[test]
fn a_dynamic_linker_is_looked_at_before_ready() {
    let bundle = Bundle::new();
    let error = |linker: &str| {
        bundle.file("bin/program", linked_by(linker), 0o755);
        let message = Monitor::spawn(&bundle.plan()).error();
        let prefix = "unable to start container process: exec /bin/program: ";
        message.strip_prefix(prefix).unwrap_or(&message).to_owned()
    };
    assert_eq!(
        error("/lib/ld.so"),
        "interpreter /lib/ld.so: no such file or directory"
    );
    bundle.file("etc/ld.so", &program()[..100], 0o755);
    assert_eq!(
        error("/etc/ld.so"),
        "interpreter /etc/ld.so: exec format error: the file is truncated"
    );
    bundle.file("etc/ld.so", program(), 0o644);
    assert_eq!(
        error("/etc/ld.so"),
        "interpreter /etc/ld.so: permission denied"
    );
    bundle.file("etc/ld.so", program(), 0o755);
    Monitor::spawn(&bundle.plan()).ready();
}

/// As many as Linux allows: five, and then a program.
#[test]
fn scripts_may_be_read_by_scripts() {
    let bundle = Bundle::new();
    bundle.file("bin/0", program(), 0o755);
    for depth in 1..=6 {
        bundle.file(
            &format!("bin/{depth}"),
            format!("#!/bin/{}\n", depth - 1),
            0o755,
        );
    }
    let mut plan = bundle.plan();
    plan["process"]["args"] = json!(["/bin/5"]);
    Monitor::spawn(&plan).ready();
    plan["process"]["args"] = json!(["/bin/6"]);
    assert_eq!(
        Monitor::spawn(&plan).error(),
        "unable to start container process: exec /bin/6: too many levels of symbolic links"
    );
}

#[test]
fn too_many_arguments_are_refused_before_ready() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["process"]["args"] = json!(["/bin/program", "x".repeat(1 << 20)]);
    let message = Monitor::spawn(&plan).error();
    let prefix = "unable to start container process: argument list too long: ";
    assert!(message.starts_with(prefix), "{message}");
}

#[test]
fn the_plans_path_finds_the_program() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["process"]["args"] = json!(["program"]);
    plan["process"]["env"] = json!(["PATH=/nowhere:/bin"]);
    Monitor::spawn(&plan).ready();
}

#[test]
fn a_working_directory_of_the_user_alone_is_entered_as_the_user() {
    let bundle = Bundle::new();
    let home = bundle.rootfs().join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let mut plan = bundle.plan();
    plan["process"]["cwd"] = json!("/home");
    plan["process"]["uid"] = json!(1000);
    Monitor::spawn(&plan).ready();
}

#[test]
fn other_processes_of_the_user_cannot_look_into_the_monitor() {
    let bundle = Bundle::new();
    let mut plan = bundle.plan();
    plan["process"]["uid"] = json!(1000);
    plan["process"]["capabilities"] = json!(null);
    let mut monitor = Monitor::spawn(&plan);
    let pid = monitor.ready();
    let read = |file: &str| {
        let script = format!("cat /proc/{pid}/{file} > /dev/null");
        std::process::Command::new("setpriv")
            .args([
                "--reuid",
                "1000",
                "--clear-groups",
                "--inh-caps=-all",
                "sh",
                "-c",
                &script,
            ])
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    assert!(read("stat"));
    assert!(!read("maps"));
    assert!(!read("environ"));
}
