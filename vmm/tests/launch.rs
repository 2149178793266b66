//! Launches of real containers, up to the exec fifo. As root.

mod support;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use serde_json::json;
use support::{bind, device, eventually, mount, push, Bundle, Monitor};

#[test]
fn a_launch_ends_with_an_init_at_the_fifo() {
    let bundle = Bundle::new();
    let mut monitor = Monitor::spawn(&bundle.plan());
    let pid = monitor.ready();
    assert!(monitor.launcher_status().success());
    assert!(monitor.event().is_none(), "the socket is closed after ready");
    for namespace in ["pid", "mnt", "uts", "ipc", "net", "cgroup"] {
        let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/{namespace}")).unwrap();
        assert_ne!(of("self"), of(&pid.to_string()), "{namespace}");
    }
    assert!(monitor.status("NSpid").ends_with("\t1"));
    assert_eq!(monitor.status("NSsid").split('\t').next_back(), Some("1"));
    assert!(eventually(|| monitor.proc("wchan") == "wait_for_partner"), "{}", monitor.proc("wchan"));
    assert!(monitor.inside("/bin/program").exists());
    let null = fs::metadata(monitor.inside("/dev/null")).unwrap();
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o777), (libc::makedev(1, 3), 0o666));
    assert_eq!(fs::read_link(monitor.inside("/dev/ptmx")).unwrap().to_str(), Some("pts/ptmx"));
}
