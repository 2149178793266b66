/** The host's cgroup hierarchies, as of cgroups(7). */
import { join, relative } from 'node:path';

/** One mounted hierarchy. */
export interface Hierarchy {
  version: 1 | 2;
  /** v1: what the hierarchy controls (`cpu`, `name=systemd`). v2: empty. */
  controllers: string[];
  /** Where it is mounted: an absolute path. */
  mountpoint: string;
  /** The directory of the runtime's own group, below the mount point. */
  own: string;
}

/** runc's list of subsystems; hierarchies of others are left alone. */
const JOINED = new Set([
  'cpuset',
  'devices',
  'memory',
  'cpu',
  'cpuacct',
  'pids',
  'blkio',
  'hugetlb',
  'net_cls',
  'net_prio',
  'perf_event',
  'freezer',
  'rdma',
  'name=systemd',
  'misc',
]);

interface MountLine {
  version: 1 | 2;
  root: string;
  mountpoint: string;
  options: string[];
}

/** mountinfo writes space, tab, newline and backslash as three octal digits. */
function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** The cgroup mounts of a /proc/PID/mountinfo (proc(5)). */
function cgroupMounts(mountinfo: string): MountLine[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const [, , , root, mountpoint] = before?.split(' ') ?? [];
    const [type, , options] = after?.split(' ') ?? [];
    if (root === undefined || mountpoint === undefined) return [];
    if (type !== 'cgroup' && type !== 'cgroup2') return [];
    return {
      version: type === 'cgroup' ? 1 : 2,
      root: unescapeMount(root),
      mountpoint: unescapeMount(mountpoint),
      options: (options ?? '').split(','),
    };
  });
}

/**
 * @param mountinfo - Text of /proc/self/mountinfo.
 * @param membership - Text of /proc/self/cgroup.
 * @returns Each hierarchy once, by its first mount.
 */
export function parseHierarchies(mountinfo: string, membership: string): Hierarchy[] {
  const mounts = cgroupMounts(mountinfo);
  return membership.split('\n').flatMap((line) => {
    const [, id, names, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (id === undefined || names === undefined || path === undefined) return [];
    const unified = id === '0' && names === '';
    const controllers = unified ? [] : names.split(',');
    if (!unified && !controllers.some((name) => JOINED.has(name))) return [];
    const mount = mounts.find((m) =>
      unified
        ? m.version === 2
        : m.version === 1 && controllers.every((name) => m.options.includes(name)),
    );
    if (mount === undefined) return [];
    // In a container the paths of /proc/self/cgroup may start above what is mounted.
    const inside = relative(mount.root, path);
    const own = inside.startsWith('..') ? mount.mountpoint : join(mount.mountpoint, inside);
    return { version: mount.version, controllers, mountpoint: mount.mountpoint, own };
  });
}
