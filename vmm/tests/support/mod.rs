//! A caller of the monitor, as `oci/` is: makes a rootfs and a plan, speaks the control protocol.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{symlink, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{json, Value};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A directory for one test: a rootfs, a fifo. It goes away at the end.
pub struct Bundle {
    pub directory: PathBuf,
}

impl Bundle {
    pub fn new() -> Bundle {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("container-{}-{number}", std::process::id()));
        let bundle = Bundle { directory };
        for name in ["proc", "sys", "dev", "tmp", "etc", "bin", "empty"] {
            fs::create_dir_all(bundle.rootfs().join(name)).unwrap();
        }
        bundle.file("bin/program", program(), 0o755);
        bundle.file(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
            0o644,
        );
        make_fifo(&bundle.fifo());
        bundle
    }

    pub fn rootfs(&self) -> PathBuf {
        self.directory.join("rootfs")
    }

    pub fn fifo(&self) -> PathBuf {
        self.directory.join("exec.fifo")
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>, mode: u32) {
        let path = self.rootfs().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn link(&self, name: &str, target: &str) {
        symlink(target, self.rootfs().join(name)).unwrap();
    }

    /// A small plan with the usual namespaces; tests change what they are about.
    pub fn plan(&self) -> Value {
        json!({
            "id": "container-test",
            "foreground": false,
            "namespaces": [
                {"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "ipc"}, {"type": "network"},
                {"type": "cgroup"}
            ],
            "uidMappings": [],
            "gidMappings": [],
            "timeOffsets": [],
            "cgroup": null,
            "rootfs": {
                "path": self.rootfs(),
                "readonly": false,
                "propagation": libc::MS_SLAVE | libc::MS_REC,
                "noPivot": false
            },
            "mounts": [
                mount("/proc", "proc", "proc", libc::MS_NOSUID | libc::MS_NOEXEC | libc::MS_NODEV, ""),
                mount("/dev", "tmpfs", "tmpfs", libc::MS_NOSUID | libc::MS_STRICTATIME, "mode=755,size=65536k")
            ],
            "devices": [device("/dev/null", 1, 3), device("/dev/zero", 1, 5)],
            "devLinks": {"/dev/fd": "/proc/self/fd", "/dev/ptmx": "pts/ptmx"},
            "maskedPaths": [],
            "readonlyPaths": [],
            "hostname": null,
            "domainname": null,
            "sysctl": {},
            "netDevices": [],
            "process": {
                "args": ["/bin/program"],
                "env": ["PATH=/bin"],
                "cwd": "/",
                "uid": 0,
                "gid": 0,
                "additionalGids": [],
                "umask": null,
                "capabilities": {
                    "bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN", "CAP_KILL"],
                    "inheritable": [], "permitted": ["CAP_CHOWN", "CAP_KILL"], "ambient": []
                },
                "rlimits": [],
                "noNewPrivileges": true,
                "oomScoreAdj": null
            },
            "pauses": [],
            "startContainerHooks": [],
            "execFifo": self.fifo(),
            "preserveFds": 0,
            "machine": {"kernel": kernel(), "vcpus": 1, "memoryLimit": null, "verbose": false}
        })
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The smallest program: an ELF header, one program header, and exit(0).
pub fn program() -> Vec<u8> {
    elf(&[])
}

/// The same with a dynamic linker.
pub fn linked_by(linker: &str) -> Vec<u8> {
    elf(&[linker.as_bytes(), b"\0"].concat())
}

/// `linker`: its path, ended by zero; empty: none.
fn elf(linker: &[u8]) -> Vec<u8> {
    const ADDRESS: u64 = 0x40_0000;
    let count = if linker.is_empty() { 1 } else { 2 };
    let headers = 64 + 56 * count;
    let code = b"\x31\xff\xb8\x3c\0\0\0\x0f\x05";
    let (path, code_at) = (headers, headers + linker.len() as u64);
    let bytes = code_at + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |file: &mut Vec<u8>, numbers: [u16; 4]| {
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    };
    let words = |file: &mut Vec<u8>, numbers: &[u64]| {
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    };
    // ET_EXEC, EM_X86_64, version; entry, where the program headers are, no sections; flags, bytes of
    // this header and of a program header, count; no sections.
    halves(&mut file, [2, 62, 1, 0]);
    words(&mut file, &[ADDRESS + code_at, 64, 0]);
    halves(&mut file, [0, 0, 64, 56]);
    halves(&mut file, [count as u16, 0, 0, 0]);
    // Type and flags; offset, addresses, bytes, alignment.
    if !linker.is_empty() {
        let length = linker.len() as u64;
        halves(&mut file, [3, 0, 4, 0]);
        words(
            &mut file,
            &[path, ADDRESS + path, ADDRESS + path, length, length, 1],
        );
    }
    halves(&mut file, [1, 0, 5, 0]);
    words(&mut file, &[0, ADDRESS, ADDRESS, bytes, bytes, 4096]);
    file.extend(linker);
    file.extend(code);
    file
}

/// The unikernel's image, which bin/build makes.
pub fn kernel() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/pinion-unikernel");
    path.canonicalize()
        .expect("the unikernel's image: run bin/build")
}

pub fn mount(destination: &str, kind: &str, source: &str, flags: u64, data: &str) -> Value {
    json!({
        "destination": destination, "type": kind, "source": source, "flags": flags, "propagation": [],
        "recursiveSet": 0, "recursiveClear": 0, "copyUp": false, "data": data
    })
}

pub fn bind(source: &Path, destination: &str, flags: u64) -> Value {
    mount(
        destination,
        "bind",
        source.to_str().unwrap(),
        flags | libc::MS_BIND | libc::MS_REC,
        "",
    )
}

pub fn device(path: &str, major: u32, minor: u32) -> Value {
    json!({"path": path, "type": "c", "major": major, "minor": minor, "mode": 0o666, "uid": 0, "gid": 0})
}

pub fn push(plan: &mut Value, list: &str, item: Value) {
    plan[list].as_array_mut().unwrap().push(item);
}

/// A monitor that is being spoken to. Its init is killed at the end.
pub struct Monitor {
    pub launcher: Child,
    pub socket: UnixStream,
    pub pid: Option<i32>,
}

impl Monitor {
    pub fn spawn(plan: &Value) -> Monitor {
        Monitor::spawn_with(plan, &[])
    }

    /// `extra`: descriptors of this process that the monitor finds at 3 and after.
    pub fn spawn_with(plan: &Value, extra: &[RawFd]) -> Monitor {
        become_subreaper();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let preserved = plan["preserveFds"].as_u64().unwrap() as RawFd;
        let control = 3 + preserved;
        let mut wanted: Vec<(RawFd, RawFd)> = extra
            .iter()
            .enumerate()
            .map(|(index, fd)| (high(*fd), 4 + preserved + index as RawFd))
            .collect();
        for (index, fd) in extra.iter().take(preserved as usize).enumerate() {
            wanted[index] = (high(*fd), 3 + index as RawFd);
        }
        wanted.push((high(theirs.as_raw_fd()), control));
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinion-vmm"));
        command.args(["launch", "--control-fd", &control.to_string()]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let copies: Vec<RawFd> = wanted.iter().map(|(copy, _)| *copy).collect();
        // SAFETY: dup2(2) may be called between fork and exec.
        unsafe {
            command.pre_exec(move || {
                for (from, to) in &wanted {
                    libc::dup2(*from, *to);
                }
                Ok(())
            });
        }
        let launcher = command.spawn().unwrap();
        for copy in copies {
            // SAFETY: nothing else uses the copy.
            unsafe { libc::close(copy) };
        }
        drop(theirs);
        let mut monitor = Monitor {
            launcher,
            socket: ours,
            pid: None,
        };
        monitor
            .socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        monitor.send(plan);
        monitor
    }

    pub fn send(&mut self, value: &Value) {
        let json = serde_json::to_vec(value).unwrap();
        let _ = self.socket.write_all(&(json.len() as u32).to_le_bytes());
        let _ = self.socket.write_all(&json);
    }

    /// The next event; `None` at the end of the socket.
    pub fn event(&mut self) -> Option<Value> {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).ok()?;
        let mut json = vec![0; u32::from_le_bytes(length) as usize];
        self.socket.read_exact(&mut json).ok()?;
        let event: Value = serde_json::from_slice(&json).unwrap();
        if event["event"] == "pid" {
            self.pid = Some(event["pid"].as_i64().unwrap() as i32);
        }
        Some(event)
    }

    /// Expects the launch to succeed; returns the init's pid.
    pub fn ready(&mut self) -> i32 {
        loop {
            match self.event() {
                Some(event) if event["event"] == "ready" => return self.pid.unwrap(),
                Some(event) if event["event"] == "pid" => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Expects the launch to fail; returns the message.
    pub fn error(&mut self) -> String {
        loop {
            match self.event() {
                Some(event) if event["event"] == "error" => {
                    return event["message"].as_str().unwrap().to_owned()
                }
                Some(event) if event["event"] == "pid" => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn launcher_status(&mut self) -> ExitStatus {
        self.launcher.wait().unwrap()
    }

    /// A file of the init's /proc directory on the host.
    pub fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid.unwrap())).unwrap()
    }

    /// The value of a line of /proc/PID/status.
    pub fn status(&self, key: &str) -> String {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap().trim().to_owned()
    }

    /// A path of the container, seen from the host.
    pub fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid.unwrap()))
    }

    /// The line of a mount point in the container: (options, type, super options).
    pub fn mount_of(&self, point: &str) -> Option<(String, String, String)> {
        let info = self.proc("mountinfo");
        let line = info
            .lines()
            .rfind(|line| line.split(' ').nth(4) == Some(point))?;
        let (first, second) = line.split_once(" - ")?;
        let mut second = second.split(' ');
        let (kind, options) = (second.next()?, second.nth(1)?);
        Some((
            first.split(' ').nth(5)?.to_owned(),
            kind.to_owned(),
            options.to_owned(),
        ))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
        if let Some(pid) = self.pid {
            // SAFETY: the init is this process' child, since it is a subreaper, until it is waited
            // for: the pid is nobody else's.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// The init of a launcher that has ended becomes a child of this process.
pub fn become_subreaper() {
    // SAFETY: this operation takes numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// A plan that stops at both points.
pub fn with_pauses(bundle: &Bundle) -> Value {
    let mut plan = bundle.plan();
    plan["pauses"] = json!(["createRuntime", "createContainer"]);
    plan
}

/// Waits until a condition holds; false after five seconds.
pub fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn make_fifo(path: &Path) {
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o622) }, 0);
    fs::set_permissions(path, fs::Permissions::from_mode(0o622)).unwrap();
}

/// A copy far above the descriptors that a monitor is given.
fn high(fd: RawFd) -> RawFd {
    // SAFETY: F_DUPFD_CLOEXEC takes a number.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 200) };
    assert!(copy >= 0);
    copy
}
