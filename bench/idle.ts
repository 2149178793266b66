/** What a container costs that does nothing. */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Runtime } from './runtimes.ts';

export interface Idle {
  /** Proportional set size of all processes of the container, in MiB. */
  memory: number;
  /** Share of one CPU, in percent. */
  cpu: number;
}

const SETTLE_MS = 1000;
const WATCH_MS = 3000;
/** USER_HZ, the unit of the times in /proc/PID/stat (proc_pid_stat(5)). */
const TICKS_PER_SECOND = 100;

/** Runs the bundle's program, which must sleep, and looks at its processes. */
export async function measureIdle(runtime: Runtime, bundle: string, root: string): Promise<Idle> {
  const id = `bench-idle-${process.pid}`;
  const call = (...args: string[]) => invoke(runtime, ['--root', root, ...args]);
  call('run', '--detach', '--bundle', bundle, id);
  try {
    const { pid }: { pid: number } = JSON.parse(call('state', id));
    await sleep(SETTLE_MS);
    const processes = withDescendants(pid);
    const memory = processes.reduce((sum, each) => sum + pss(each), 0) / 1024;
    const before = ticks(processes);
    await sleep(WATCH_MS);
    const seconds = (ticks(processes) - before) / TICKS_PER_SECOND;
    return { memory, cpu: (100 * seconds) / (WATCH_MS / 1000) };
  } finally {
    call('delete', '--force', id);
  }
}

/** The streams of a detached container are the caller's: it gets no pipe that would be waited for. */
function invoke({ path = '', name }: Runtime, args: string[]): string {
  const nowhere = openSync('/dev/null', 'r+');
  const detached = args.includes('--detach');
  const { status, stdout } = spawnSync(path, args, {
    encoding: 'utf8',
    stdio: [nowhere, detached ? nowhere : 'pipe', nowhere],
  });
  closeSync(nowhere);
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: status ${status}`);
  return stdout ?? '';
}

/** A process and all below it. */
export function withDescendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry)) parents.set(Number(entry), Number(statFields(Number(entry))[1]));
  }
  const found = [pid];
  for (const each of found) {
    for (const [child, parent] of parents) if (parent === each) found.push(child);
  }
  return found;
}

/** The proportional set size, in KiB. */
export function pss(pid: number): number {
  return Number(/^Pss: +(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

function ticks(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = statFields(pid);
    return sum + Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }, 0);
}

/** From the state on: the name before it may contain anything. */
function statFields(pid: number): string[] {
  return read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
}

/** A process may end at any time. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
