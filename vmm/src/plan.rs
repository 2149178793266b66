//! The launch plan: all that the monitor is told, as one JSON document.
//!
//! `oci/launch-plan.ts` defines the same document for the TypeScript side and computes it from
//! config.json; `vmm/launch-plan.schema.json` is generated from that definition. The monitor
//! interprets no OCI option strings: names are numbers and flags by the time they are here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::machine::Limits;

/// One container to create.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchPlan {
    /// The container's id: for messages only.
    pub id: String,
    /// `true`: the launcher stays as the init's parent and ends with its status (`run` in the
    /// foreground). `false`: it ends with 0 as soon as the container is created.
    pub foreground: bool,
    /// The namespaces to make or to join.
    pub namespaces: Vec<Namespace>,
    /// Of the new time namespace.
    pub time_offsets: Vec<TimeOffset>,
    /// Lines of `/proc/PID/uid_map` (user_namespaces(7)); empty without a new user namespace.
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
    /// `None`: the container has the monitor's own cgroups.
    pub cgroup: Option<Cgroup>,
    pub rootfs: Rootfs,
    /// In the order of config.json.
    pub mounts: Vec<Mount>,
    /// Device nodes to make below the rootfs, the default ones included.
    pub devices: Vec<Device>,
    /// Symbolic links to make in the rootfs' /dev (`/dev/fd` and the like): link -> target.
    pub dev_links: BTreeMap<PathBuf, PathBuf>,
    pub masked_paths: Vec<PathBuf>,
    pub readonly_paths: Vec<PathBuf>,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    /// Names with dots, as sysctl(8) writes them.
    pub sysctl: BTreeMap<String, String>,
    pub net_devices: Vec<NetDevice>,
    pub process: Process,
    /// The points at which the monitor stops and waits for the caller's word (it runs the hooks).
    pub pauses: Vec<Pause>,
    /// Hooks whose programs come from the image: they run as guests, before the process.
    pub start_container_hooks: Vec<GuestHook>,
    /// The FIFO (an absolute host path) that the monitor opens for writing when all is ready;
    /// `start` opens the other end. `None`: the program starts at once.
    pub exec_fifo: Option<PathBuf>,
    /// Descriptors 3 .. 3 + n of the *container* (LISTEN_FDS and --preserve-fds). The control
    /// socket is the descriptor after them.
    pub preserve_fds: u32,
    pub machine: Machine,
}

/// One process to add to a container that is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinPlan {
    /// The container's id: for messages only.
    pub id: String,
    /// As in [`LaunchPlan`].
    pub foreground: bool,
    /// Whose namespaces the process joins.
    pub init: InitProcess,
    /// Directories of the control groups that the process joins.
    pub cgroups: Vec<PathBuf>,
    pub process: Process,
    /// As in [`LaunchPlan`].
    pub preserve_fds: u32,
    pub machine: Machine,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitProcess {
    /// In the caller's pid namespace.
    pub pid: i32,
    /// Field 22 of /proc/PID/stat: the pid may have been given out again.
    pub start_time: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Namespace {
    #[serde(rename = "type")]
    pub kind: NamespaceKind,
    /// Absolute: join this one. Absent: make a new one.
    pub path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceKind {
    Cgroup,
    Ipc,
    Mount,
    Network,
    Pid,
    Time,
    User,
    Uts,
}

/// A line of `/proc/PID/timens_offsets` (time_namespaces(7)).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimeOffset {
    /// `monotonic` or `boottime`.
    pub clock: String,
    pub seconds: i64,
    pub nanoseconds: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdMapping {
    #[serde(rename = "containerID")]
    pub container_id: u32,
    #[serde(rename = "hostID")]
    pub host_id: u32,
    pub size: u32,
}

/// Control groups, as directories and files below /sys/fs/cgroup: which hierarchy and which file
/// is the TypeScript side's knowledge. They are carried out in the order of the fields.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cgroup {
    /// Directories to make, parents first. One that exists is kept.
    pub create: Vec<PathBuf>,
    /// Files to write, before the process joins.
    pub writes: Vec<CgroupWrite>,
    /// Directories of the groups that the init joins.
    pub join: Vec<PathBuf>,
    /// cgroup v2 only: device rules to attach as a BPF program to this directory.
    pub device_filter: Option<DeviceFilter>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CgroupWrite {
    pub path: PathBuf,
    pub value: String,
    /// An error of this write is no error of the launch (inherited cpuset values and the like).
    pub optional: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceFilter {
    pub directory: PathBuf,
    /// In order; the last rule that matches decides; without one, access is denied.
    pub rules: Vec<DeviceRule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceRule {
    pub allow: bool,
    /// `a` (all), `b` or `c`.
    #[serde(rename = "type")]
    pub kind: char,
    /// `None`: every number.
    pub major: Option<u32>,
    pub minor: Option<u32>,
    /// Some of the letters `rwm`.
    pub access: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rootfs {
    /// Absolute host path.
    pub path: PathBuf,
    pub readonly: bool,
    /// mount(2) flags for `linux.rootfsPropagation`: MS_PRIVATE, MS_SLAVE, MS_SHARED or
    /// MS_UNBINDABLE, with MS_REC. runc's default is MS_SLAVE | MS_REC.
    pub propagation: u64,
    /// MS_MOVE and chroot instead of pivot_root (`--no-pivot`).
    pub no_pivot: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mount {
    /// Absolute, in the container.
    pub destination: PathBuf,
    /// A file system type; `bind` for bind mounts; `cgroup` for a view of the container's groups.
    #[serde(rename = "type")]
    pub kind: String,
    /// For a bind mount: an absolute host path.
    pub source: PathBuf,
    /// mount(2) flags (MS_BIND, MS_REC, MS_RDONLY, ...) without propagation.
    pub flags: u64,
    /// mount(2) flags of separate calls afterwards: MS_PRIVATE and its kin, perhaps | MS_REC.
    pub propagation: Vec<u64>,
    /// `rro` and its kin: mount_setattr(2) attributes to set and to clear with AT_RECURSIVE.
    pub recursive_set: u64,
    pub recursive_clear: u64,
    pub id_map: Option<IdMap>,
    /// `tmpcopyup`: fill the new tmpfs with what the image has at the destination.
    pub copy_up: bool,
    /// The file system's own options, joined by commas.
    pub data: String,
}

/// A network interface of the host that becomes the container's.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetDevice {
    /// Its name on the host.
    pub host: String,
    /// Its name in the container.
    pub container: String,
}

/// The ids of an idmapped mount (mount_setattr(2)).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdMap {
    /// From those of the file system to those of the host.
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
    /// For the mounts below it too.
    pub recursive: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Device {
    /// Absolute, in the container.
    pub path: PathBuf,
    /// `b`, `c` or `p`.
    #[serde(rename = "type")]
    pub kind: char,
    pub major: u32,
    pub minor: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// The OCI `process`, resolved.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Process {
    pub args: Vec<String>,
    /// `NAME=value`; HOME is added from the image's /etc/passwd when absent, as runc does.
    pub env: Vec<String>,
    pub cwd: PathBuf,
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
    pub umask: Option<u32>,
    /// `None`: config.json has no `capabilities`, then the process gets none.
    pub capabilities: Option<Capabilities>,
    pub rlimits: Vec<Rlimit>,
    pub no_new_privileges: bool,
    pub oom_score_adj: Option<i32>,
    /// The AppArmor profile to change to.
    pub apparmor_profile: Option<String>,
    /// Class and level, as of ioprio_set(2).
    pub io_priority: Option<u16>,
    pub scheduler: Option<Scheduler>,
    pub memory_policy: Option<MemoryPolicy>,
    /// Of a process that joins the container.
    pub exec_cpu_affinity: Option<ExecCpuAffinity>,
    /// The seccomp profile: classic BPF (code, jt, jf, k), as struct sock_filter.
    pub seccomp: Option<Vec<(u16, u8, u8, u32)>>,
    /// A pseudo terminal of the container's own for the standard streams. The descriptor after the
    /// control socket is, in the foreground, the caller's terminal, else the console socket: connected,
    /// it gets the terminal's other side by SCM_RIGHTS.
    pub terminal: Option<Terminal>,
}

/// `struct sched_attr` of sched_setattr(2).
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scheduler {
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    /// In nanoseconds, as the next two.
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

/// What set_mempolicy(2) takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemoryPolicy {
    /// MPOL_*, with its flags.
    pub mode: u32,
    pub nodes: Vec<u16>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecCpuAffinity {
    /// Of the launcher, until the process is in its control groups.
    pub initial: Option<Vec<u16>>,
    /// Of the process from then on.
    pub lasting: Option<Vec<u16>>,
}

/// A size in characters; a terminal without one has 0 rows and columns.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terminal {
    pub rows: u16,
    pub columns: u16,
}

/// Names such as `CAP_CHOWN`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capabilities {
    pub bounding: Vec<String>,
    pub effective: Vec<String>,
    pub inheritable: Vec<String>,
    pub permitted: Vec<String>,
    pub ambient: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// `u64::MAX` is RLIM_INFINITY; written as a decimal string, JSON numbers lose such values.
    #[serde(deserialize_with = "decimal")]
    pub soft: u64,
    #[serde(deserialize_with = "decimal")]
    pub hard: u64,
}

/// Where the monitor can be told to stop, in the order of a launch (runtime-spec, lifecycle).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Pause {
    /// Namespaces and cgroup are there; the rootfs is mounted in the container's mount namespace;
    /// the hooks `prestart` and `createRuntime` run now, in the runtime's namespaces.
    CreateRuntime,
    /// Before pivot_root: the hooks `createContainer` run now. The caller runs them by
    /// `pinion-vmm hook PID`, which joins the container's namespaces.
    CreateContainer,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuestHook {
    /// Absolute, in the container.
    pub path: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<String>,
    /// Seconds; then SIGKILL.
    pub timeout: Option<u32>,
    /// The state document for its standard input.
    pub state: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// The unikernel image: an absolute host path.
    pub kernel: PathBuf,
    /// How many vCPUs may be brought up: at least 1.
    pub vcpus: u32,
    /// On which of the CPUs that it may use (by its place among them) it begins: it uses as many as vCPUs. `None`: all.
    pub first_cpu: Option<u32>,
    /// Bytes that the guest's memory may grow to. `None`: the host's memory.
    pub memory_limit: Option<u64>,
    /// The file (absolute host path) of counts of what guests ask for in vain ([`pinion_abi::missing`]).
    pub missing: Option<PathBuf>,
    /// Print the guest's boot line and exit counters to standard error (`pinion --debug run`).
    pub verbose: bool,
}

impl Machine {
    pub fn limits(&self) -> Limits {
        Limits {
            memory: self.memory_limit,
            vcpus: self.vcpus,
        }
    }
}

fn decimal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}
