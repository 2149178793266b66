/**
 * A container's control groups as files: one directory in each hierarchy (cgroups(7)). Directories
 * that are gone are no error anywhere here.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, OciError, systemError } from '../errors.ts';

/** The processes in these groups and below them, each once. */
export function processesIn(directories: readonly string[]): Set<number> {
  const pids = new Set<number>();
  for (const directory of directories.flatMap(tree)) {
    for (const line of read(join(directory, 'cgroup.procs')).split('\n')) {
      // 0 stands for a process of another pid namespace, out of reach.
      if (line !== '' && line !== '0') pids.add(Number(line));
    }
  }
  return pids;
}

/** Whether a freezer holds the group: `FROZEN` or `FREEZING` in version 1, cgroup.freeze 1 in version 2. */
export function isFrozen(directories: readonly string[]): boolean {
  return directories.some(
    (directory) =>
      read(join(directory, 'freezer.state')).startsWith('FR') ||
      read(join(directory, 'cgroup.freeze')).startsWith('1'),
  );
}

export function thaw(directories: readonly string[]): void {
  for (const directory of directories.filter((one) => isFrozen([one]))) {
    overwrite(join(directory, 'freezer.state'), 'THAWED');
    overwrite(join(directory, 'cgroup.freeze'), '0');
  }
}

/**
 * Stops all processes of the groups, also those that they make meanwhile.
 * @returns Whether they have stopped within `timeout` ms; if not, all run again.
 */
export async function freeze(directories: readonly string[], timeout: number): Promise<boolean> {
  // A hybrid host's group of version 2 could do it as well, but one is enough, and runc's is this.
  const old = directories.find((directory) => existsSync(join(directory, 'freezer.state')));
  const freezer = old ?? directories.find((one) => existsSync(join(one, 'cgroup.freeze')));
  if (freezer === undefined) {
    throw new OciError('ERR_PINION_NO_FREEZER', 'this host has no freezer for control groups');
  }
  const hasStopped =
    old === undefined
      ? () => /^frozen 1$/m.test(read(join(freezer, 'cgroup.events'))) || allButKernel(freezer)
      : () => read(join(freezer, 'freezer.state')).startsWith('FROZEN');
  const deadline = performance.now() + timeout;
  for (let delay = 1; ; delay = Math.min(delay * 2, 20)) {
    // Of version 1, processes that were made meanwhile are caught by asking again.
    overwrite(join(freezer, 'freezer.state'), 'FROZEN');
    overwrite(join(freezer, 'cgroup.freeze'), '1');
    if (hasStopped()) return true;
    if (performance.now() > deadline) {
      thaw([freezer]);
      return false;
    }
    await sleep(delay);
  }
}

/**
 * Whether all processes of a group of version 2 have stopped but for kernel threads. KVM puts one into
 * it for each machine, which the freezer does not stop, so the group itself never says that it is frozen
 * (until Linux 6.14, which makes such a thread a thread of the process).
 */
function allButKernel(directory: string): boolean {
  return [...processesIn([directory])].every((pid) => isKernelThread(pid) || isTrapped(pid));
}

/** Such as KVM has for each machine. PF_KTHREAD among the flags of proc_pid_stat(5), the seventh field after the name. */
export function isKernelThread(pid: number): boolean {
  const [flags] = read(`/proc/${pid}/stat`).replace(/.*\) /s, '').split(' ').slice(6);
  return (Number(flags ?? 0) & 0x20_0000) !== 0;
}

/** Where the freezer makes a thread wait; its own function may have become part of its caller. */
const TRAPS = new Set(['do_freezer_trap', 'get_signal']);

/** Whether all threads of a process do (proc_pid_wchan(5)). */
function isTrapped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) =>
      TRAPS.has(read(`/proc/${pid}/task/${thread}/wchan`)),
    );
  } catch {
    return true;
  }
}

/**
 * Removes the groups and those below them. What died a moment ago may still count (EBUSY): it is
 * tried again after 10 ms, doubling, for 5 s in all.
 */
export async function removeCgroups(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    for (let delay = 10; ; delay *= 2) {
      const error = tryRemove(directory);
      if (error === undefined) break;
      if (errnoOf(error) !== 'EBUSY' || delay > 2560)
        throw systemError(`rmdir ${directory}`, error);
      await sleep(delay);
    }
  }
}

function tryRemove(directory: string): unknown {
  const error = removeOne(directory);
  // EBUSY: it has processes, or groups below it.
  if (errnoOf(error) !== 'EBUSY') return error;
  for (const path of tree(directory).reverse()) {
    const left = removeOne(path);
    if (left !== undefined) return left;
  }
  return undefined;
}

function removeOne(directory: string): unknown {
  try {
    rmdirSync(directory);
    return undefined;
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? undefined : error;
  }
}

/** The directory and all below it, parents first. */
function tree(directory: string): string[] {
  try {
    return [
      directory,
      ...readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .flatMap((entry) => tree(join(directory, entry.name))),
    ];
  } catch {
    return [];
  }
}

/** Most groups lack most files: looking first is cheaper than an error. */
function read(path: string): string {
  if (!existsSync(path)) return '';
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Writes to a file only if it exists: each hierarchy has its own. */
function overwrite(path: string, value: string): void {
  try {
    writeFileSync(path, value, { flag: 'r+' });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'ENOENT' && errno !== 'ENODEV') throw systemError(`write ${path}`, error);
  }
}
