/** What containers may leave on a host. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
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

/** @param name What the names of the containers begin with. */
export function traces(root: string, name: string): Traces {
  return {
    states: existsSync(root) ? readdirSync(root).length : 0,
    cgroups: cgroups(name),
    mounts: lines('/proc/self/mountinfo').filter((line) => line.includes('scale')).length,
    processes: readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isOurs(pid, name)).length,
  };
}

/** A group of the controller of memory: what the kernel holds for those who run in it and below, and for nobody else. */
export class KernelMemory {
  readonly #group: string;

  /** This process and all that it starts are in it from now on. */
  constructor(name: string) {
    const version1 = '/sys/fs/cgroup/memory';
    this.#group = join(existsSync(version1) ? version1 : '/sys/fs/cgroup', name);
    mkdirSync(this.#group, { recursive: true });
    writeFileSync(join(this.#group, 'cgroup.procs'), '0');
  }

  /** In KiB, also of groups below that died while the kernel still had something of theirs. */
  read(): number {
    const version1 = join(this.#group, 'memory.kmem.usage_in_bytes');
    if (existsSync(version1)) return Number(readFileSync(version1, 'utf8')) / 1024;
    const kernel = lines(join(this.#group, 'memory.stat')).find((line) => /^kernel /.test(line));
    return Number(kernel?.split(' ')[1]) / 1024;
  }

  remove(): void {
    writeFileSync(join(this.#group, '../cgroup.procs'), '0');
    rmdirSync(this.#group);
  }
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
