/**
 * The launch plan: all that the monitor is told, as one JSON document. `vmm/src/plan.rs` is the
 * other side of the contract; `vmm/launch-plan.schema.json` is generated from this file.
 */
import Type, { type Static, type TSchema } from 'typebox';

/** No other properties: the monitor refuses what it does not know. */
export const record = <P extends Record<string, TSchema>>(description: string, properties: P) =>
  Type.Object(properties, { description, additionalProperties: false });
export const text = (description: string) => Type.String({ description });
export const flag = (description: string) => Type.Boolean({ description });
export const list = <T extends TSchema>(items: T, description: string) =>
  Type.Array(items, { description });
const choice = <const W extends string[]>(words: readonly [...W], description: string) =>
  Type.Unsafe<W[number]>({ type: 'string', enum: [...words], description });
const integer = (maximum: number) => (description: string) =>
  Type.Integer({ minimum: 0, maximum, description });
export const u32 = integer(2 ** 32 - 1);
const u16 = integer(2 ** 16 - 1);
/** A u64 of which no value beyond 2^53 is needed. */
const u64 = integer(Number.MAX_SAFE_INTEGER);
const maybe = Type.Optional;

const PlanNamespace = record('A namespace to make or to join.', {
  type: choice(
    ['cgroup', 'ipc', 'mount', 'network', 'pid', 'time', 'user', 'uts'],
    'Its kind, as of namespaces(7).',
  ),
  path: maybe(text('Absolute: join this one. Absent: make a new one.')),
});

const PlanTimeOffset = record('A line of /proc/PID/timens_offsets (time_namespaces(7)).', {
  clock: choice(['monotonic', 'boottime'], 'The clock.'),
  seconds: Type.Integer({
    minimum: Number.MIN_SAFE_INTEGER,
    maximum: Number.MAX_SAFE_INTEGER,
    description: 'Whole seconds, rounded down.',
  }),
  nanoseconds: u32('Less than a second.'),
});

const PlanIdMapping = record('A line of /proc/PID/uid_map (user_namespaces(7)).', {
  containerID: u32('The first id in the container.'),
  hostID: u32('The first id on the host.'),
  size: u32('How many ids.'),
});

const CgroupWrite = record('A file below /sys/fs/cgroup to write.', {
  path: text('Absolute path.'),
  value: text('What to write, in one write(2).'),
  optional: flag('An error of this write is no error of the launch.'),
});
export type CgroupWrite = Static<typeof CgroupWrite>;

const PlanDeviceRule = record('A device rule: the last that matches decides.', {
  allow: flag('Whether it allows or denies.'),
  type: choice(['a', 'b', 'c'], 'All, block or character devices.'),
  major: maybe(u32('Absent: every number.')),
  minor: maybe(u32('Absent: every number.')),
  access: text('Some of the letters rwm.'),
});
export type PlanDeviceRule = Static<typeof PlanDeviceRule>;

const PlanCgroup = record('Control groups, carried out in the order of the properties.', {
  create: list(Type.String(), 'Directories to make, parents first. One that exists is kept.'),
  writes: list(CgroupWrite, 'Files to write, before the process joins.'),
  join: list(Type.String(), 'Directories of the groups that the init joins.'),
  deviceFilter: maybe(
    record('cgroup v2 only: device rules, as a BPF program.', {
      directory: text('The directory to attach it to.'),
      rules: list(PlanDeviceRule, 'In order; without one that matches, access is denied.'),
    }),
  ),
});
export type PlanCgroup = Static<typeof PlanCgroup>;

const PlanRootfs = record('The root file system.', {
  path: text('Absolute host path.'),
  readonly: flag('Whether it is read-only in the container.'),
  propagation: u64('mount(2) flags: MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE, MS_REC.'),
  noPivot: flag('MS_MOVE and chroot instead of pivot_root.'),
});

const PlanIdMap = record('The ids of an idmapped mount (mount_setattr(2)).', {
  uidMappings: list(PlanIdMapping, 'From those of the file system to those of the host.'),
  gidMappings: list(PlanIdMapping, 'The same of groups.'),
  recursive: flag('For the mounts below it too.'),
});
export type PlanIdMap = Static<typeof PlanIdMap>;

const PlanMount = record('A mount, in the order of config.json.', {
  destination: text('Absolute, in the container.'),
  type: text("A file system type; bind; cgroup for a view of the container's groups."),
  source: text('For a bind mount an absolute host path.'),
  flags: u64('mount(2) flags without propagation.'),
  propagation: list(u64('A set of flags.'), 'mount(2) flags of separate calls afterwards.'),
  recursiveSet: u64('mount_setattr(2) attributes to set with AT_RECURSIVE.'),
  recursiveClear: u64('mount_setattr(2) attributes to clear with AT_RECURSIVE.'),
  idMap: maybe(PlanIdMap),
  copyUp: flag('Fill the new tmpfs with what the image has at the destination.'),
  data: text("The file system's own options, joined by commas."),
});
export type PlanMount = Static<typeof PlanMount>;

const PlanDevice = record('A device node to make below the root file system.', {
  path: text('Absolute, in the container.'),
  type: choice(['b', 'c', 'p'], 'Block or character device, or FIFO.'),
  major: u32('Major number.'),
  minor: u32('Minor number.'),
  mode: u32('File mode.'),
  uid: u32('Owner, in the container.'),
  gid: u32('Group, in the container.'),
});
export type PlanDevice = Static<typeof PlanDevice>;

const names = (description: string) => list(Type.String(), description);
const PlanCapabilities = record('Names such as CAP_CHOWN.', {
  bounding: names('Bounding set.'),
  effective: names('Effective set.'),
  inheritable: names('Inheritable set.'),
  permitted: names('Permitted set.'),
  ambient: names('Ambient set.'),
});

const DECIMAL = '^(0|[1-9][0-9]{0,19})$';
const PlanRlimit = record('A resource limit: answered to the guest.', {
  type: text('RLIMIT_NOFILE and so on.'),
  soft: Type.String({ pattern: DECIMAL, description: 'A u64 in decimal; 2^64-1 is no limit.' }),
  hard: Type.String({ pattern: DECIMAL, description: 'A u64 in decimal; 2^64-1 is no limit.' }),
});

const Instruction = Type.Tuple(
  [integer(0xffff)('code'), integer(255)('jt'), integer(255)('jf'), u32('k')],
  { description: 'An instruction of classic BPF (struct sock_filter).' },
);

const PlanScheduler = record('struct sched_attr of sched_setattr(2).', {
  policy: u32('SCHED_* of sched(7).'),
  flags: u32('SCHED_FLAG_*.'),
  nice: Type.Integer({ minimum: -20, maximum: 19, description: 'Of SCHED_OTHER, SCHED_BATCH.' }),
  priority: u32('Of SCHED_FIFO and SCHED_RR.'),
  runtime: u64('Nanoseconds, of SCHED_DEADLINE.'),
  deadline: u64('Nanoseconds, of SCHED_DEADLINE.'),
  period: u64('Nanoseconds, of SCHED_DEADLINE.'),
});

const PlanMemoryPolicy = record('What set_mempolicy(2) takes.', {
  mode: u32('MPOL_*, with its flags.'),
  nodes: list(u16('A memory node.'), 'The memory nodes.'),
});

const cpus = (description: string) => maybe(list(u16('A CPU.'), description));
const PlanAffinity = record('CPUs of a process that joins the container.', {
  initial: cpus('Of its launcher, until the process is in its control groups.'),
  lasting: cpus('Of the process from then on.'),
});

export const PlanProcess = record('The OCI process, resolved.', {
  args: names('The command. Empty: the container can be created, but not started.'),
  env: names("NAME=value; the monitor adds HOME from the image's /etc/passwd when absent."),
  cwd: text('Absolute, in the container.'),
  uid: u32('User id in the container.'),
  gid: u32('Group id in the container.'),
  additionalGids: list(u32('A group id.'), 'Supplementary groups.'),
  umask: maybe(u32('File mode creation mask.')),
  capabilities: maybe(PlanCapabilities),
  rlimits: list(PlanRlimit, 'Resource limits.'),
  noNewPrivileges: flag('PR_SET_NO_NEW_PRIVS.'),
  oomScoreAdj: maybe(
    Type.Integer({ minimum: -1000, maximum: 1000, description: 'As of proc(5).' }),
  ),
  apparmorProfile: maybe(text('The AppArmor profile to change to.')),
  ioPriority: maybe(u16('Class and level, as of ioprio_set(2).')),
  scheduler: maybe(PlanScheduler),
  memoryPolicy: maybe(PlanMemoryPolicy),
  execCpuAffinity: maybe(PlanAffinity),
  seccomp: maybe(list(Instruction, 'What every system call is judged by: a program (seccomp(2)).')),
  terminal: maybe(
    record("A terminal of the container's own for the standard streams.", {
      rows: u16('Its height in characters; 0: none is set.'),
      columns: u16('Its width in characters; 0: none is set.'),
    }),
  ),
});
export type PlanProcess = Static<typeof PlanProcess>;

const PlanGuestHook = record('A hook of the image: it runs as a guest, before the process.', {
  path: text('Absolute, in the container.'),
  args: names('All arguments, argv[0] included.'),
  env: names('The whole environment.'),
  timeout: maybe(u32('Seconds; then SIGKILL.')),
  state: text('The state document for its standard input.'),
});

export const PlanMachine = record('The microVM.', {
  kernel: text('The unikernel image: an absolute host path.'),
  vcpus: Type.Integer({ minimum: 1, maximum: 2 ** 32 - 1, description: 'How many at most.' }),
  firstCpu: maybe(
    u32('On which of the CPUs that it may use it begins: it uses as many as vCPUs. Absent: all.'),
  ),
  memoryLimit: maybe(u64("Bytes that the guest may grow to. Absent: the host's memory.")),
  missing: maybe(text('The file (absolute host path) that counts what guests ask for in vain.')),
  verbose: flag("Print the guest's boot line and exit counters to standard error."),
});

const PlanNetDevice = record("A network interface of the host that becomes the container's.", {
  host: text('Its name on the host.'),
  container: text('Its name in the container.'),
});

const map = (description: string) => Type.Record(Type.String(), Type.String(), { description });

export const LaunchPlan = record('One container to create.', {
  id: text("The container's id: for messages only."),
  foreground: flag("true: the launcher stays as the init's parent and ends with its status."),
  namespaces: list(PlanNamespace, 'The namespaces to make or to join.'),
  timeOffsets: list(PlanTimeOffset, 'Of the new time namespace.'),
  uidMappings: list(PlanIdMapping, 'Empty without a new user namespace.'),
  gidMappings: list(PlanIdMapping, 'Empty without a new user namespace.'),
  cgroup: maybe(PlanCgroup),
  rootfs: PlanRootfs,
  mounts: list(PlanMount, 'In the order of config.json.'),
  devices: list(PlanDevice, 'Device nodes to make, the default ones included.'),
  devLinks: map('Symbolic links to make in /dev: link -> target.'),
  maskedPaths: names('Absolute paths in the container that read as empty.'),
  readonlyPaths: names('Absolute paths in the container that are read-only.'),
  hostname: maybe(text('Host name of the new UTS namespace.')),
  domainname: maybe(text('Domain name of the new UTS namespace.')),
  sysctl: map('Kernel parameters: names with dots, as sysctl(8) writes them.'),
  netDevices: list(PlanNetDevice, "Interfaces to move into the container's network namespace."),
  process: PlanProcess,
  pauses: list(
    choice(['createRuntime', 'createContainer'], 'A point of a launch.'),
    "Where the monitor stops and waits for the caller's word, in the order of a launch.",
  ),
  startContainerHooks: list(PlanGuestHook, 'Hooks that run as guests.'),
  execFifo: maybe(text('The FIFO (absolute host path) that the monitor opens when all is ready.')),
  preserveFds: u32('How many descriptors from 3 on belong to the container.'),
  machine: PlanMachine,
});
export type LaunchPlan = Static<typeof LaunchPlan>;
