/**
 * The config.json that `spec` writes to start from: a shell in a read-only root filesystem, in the
 * shape of runc-spec(8)'s. It is plain data, held against the schema by its test.
 */

const CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];

const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/sys/firmware',
  '/proc/scsi',
];

const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const CLOSED = ['nosuid', 'noexec', 'nodev'];

const DEVPTS = ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'];

const MOUNTS_BEFORE_PTS = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
];

const MOUNTS_AFTER_PTS = [
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: [...CLOSED, 'mode=1777', 'size=65536k'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: CLOSED },
];

const SYSFS = { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...CLOSED, 'ro'] };

/** A user without root may not mount sysfs of a network namespace that it does not own. */
const SYSFS_OF_HOST = {
  destination: '/sys',
  type: 'none',
  source: '/sys',
  options: ['rbind', ...CLOSED, 'ro'],
};

const CGROUP = {
  destination: '/sys/fs/cgroup',
  type: 'cgroup',
  source: 'cgroup',
  options: [...CLOSED, 'relatime', 'ro'],
};

/** For a user without root: the ids that become root in the container's user namespace. */
export interface RootlessIds {
  uid: number;
  gid: number;
}

/** The config as an object to serialise. `rootless` is undefined for a container made by root. */
export function defaultConfig(ociVersion: string, rootless: RootlessIds | undefined): object {
  return {
    ociVersion,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ['sh'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: {
        bounding: CAPABILITIES,
        effective: CAPABILITIES,
        permitted: CAPABILITIES,
        ambient: CAPABILITIES,
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'pinion',
    mounts: [
      ...MOUNTS_BEFORE_PTS,
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        // The group tty has no id in a user namespace that maps one group only.
        options: rootless === undefined ? [...DEVPTS, 'gid=5'] : DEVPTS,
      },
      ...MOUNTS_AFTER_PTS,
      rootless === undefined ? SYSFS : SYSFS_OF_HOST,
      CGROUP,
    ],
    linux: rootless === undefined ? rootLinux() : rootlessLinux(rootless),
  };
}

function rootLinux(): object {
  return {
    resources: { devices: [{ allow: false, access: 'rwm' }] },
    namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READONLY_PATHS,
  };
}

function rootlessLinux({ uid, gid }: RootlessIds): object {
  return {
    uidMappings: [{ containerID: 0, hostID: uid, size: 1 }],
    gidMappings: [{ containerID: 0, hostID: gid, size: 1 }],
    // No network namespace: nobody could connect it.
    namespaces: ['pid', 'ipc', 'uts', 'mount', 'user'].map((type) => ({ type })),
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READONLY_PATHS,
  };
}
