/** What /proc tells of a process (proc(5)). */
import { readFileSync } from 'node:fs';

/** A process for all time: ids are given out again, an id with its start time is not. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks after boot, field 22 of /proc/PID/stat. */
  startTime: number;
}

/** The identity of a living process, or undefined when it is gone or a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readProc(pid, 'stat');
  if (stat === undefined) return undefined;
  // The name, field 2, may contain blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === 'Z' || state === 'X') return undefined;
  return { pid, startTime: Number(fields[19]) };
}

/** Whether the process still runs. A zombie does not: its parent may be slow to reap it. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTime === identity.startTime;
}

/** The process's id in its own pid namespace. */
export function namespacePid(pid: number): number {
  const line = /^NSpid:\s+(.*)$/m.exec(readProc(pid, 'status') ?? '')?.[1];
  return Number(line?.split(/\s+/).at(-1) ?? pid);
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return undefined;
  }
}
