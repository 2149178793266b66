/** What containers may leave on a host. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How many there are of each. */
export interface Traces {
  /** Entries of the state directory. */
  states: number;
  /** Groups in all hierarchies that carry the name of this suite's containers. */
  cgroups: number;
  /** Mounts of the host with the suite's name in their paths. */
  mounts: number;
  /** Processes whose program is a monitor or a container's. */
  processes: number;
}

/** What the kernel holds for whatever reason, also for others. */
export interface Load {
  /** Open files of the whole host. */
  files: number;
  /** Memory of the kernel's own that it cannot give back, in MiB. */
  kernelMemory: number;
}

/** @param name What the names of the containers begin with. */
export function traces(root: string, name: string): Traces {
  return {
    states: existsSync(root) ? readdirSync(root).length : 0,
    cgroups: cgroups(name),
    mounts: lines('/proc/self/mountinfo').filter((line) => line.includes('scale')).length,
    processes: readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isOurs(pid, name)).length,
  };
}

export function load(): Load {
  const memory = new Map(
    lines('/proc/meminfo').map((line): [string, number] => {
      const [key = '', value = '0'] = line.split(/:\s+/);
      return [key, Number.parseInt(value, 10)];
    }),
  );
  const own = ['SUnreclaim', 'KernelStack', 'PageTables', 'Percpu'];
  const kilobytes = own.reduce((sum, key) => sum + (memory.get(key) ?? 0), 0);
  return {
    files: Number(lines('/proc/sys/fs/file-nr')[0]?.split('\t')[0]),
    kernelMemory: kilobytes / 1024,
  };
}

/** Others' groups come and go meanwhile. */
function cgroups(name: string, directory = '/sys/fs/cgroup'): number {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(
        (entry) => Number(entry.name.startsWith(name)) + cgroups(name, join(directory, entry.name)),
      )
      .reduce((sum, count) => sum + count, 0);
  } catch {
    return 0;
  }
}

/** By the control groups that it is in. */
function isOurs(pid: string, name: string): boolean {
  try {
    return readFileSync(join('/proc', pid, 'cgroup'), 'utf8').includes(`/${name}`);
  } catch {
    return false;
  }
}

function lines(path: string): string[] {
  return readFileSync(path, 'utf8').trimEnd().split('\n');
}
