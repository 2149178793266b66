/** What a program gives back of its memory goes back to the host. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { build, guestCommand } from './programs.ts';

/** What the monitor, its kernel and tables may add, in KiB. */
const OWN = 12 << 10;

/** The resident set of a process, in KiB (proc_pid_status(5)). */
function resident({ pid }: ChildProcess): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/** The steps that the program tells of, with its resident set after each. */
async function steps(file: string, ...args: string[]): Promise<[name: string, size: number][]> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const sizes: [string, number][] = [];
  for await (const name of createInterface(child.stdout)) {
    sizes.push([name, resident(child)]);
    child.stdin.write('\n');
  }
  return sizes;
}

test('memory that a program frees goes back to the host', async () => {
  const program = await build('resident');
  const native = await steps(program);
  const guest = await steps(...guestCommand(program));
  expect(guest.map(([name]) => name)).toEqual(native.map(([name]) => name));
  const tooMuch = guest.filter(([, size], index) => size > (native[index]?.[1] ?? 0) * 1.1 + OWN);
  expect(tooMuch).toEqual([]);
}, 60_000);
