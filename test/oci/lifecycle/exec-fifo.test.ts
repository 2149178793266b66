import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, linkSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { passExecFifo } from '../../../oci/lifecycle/exec-fifo.ts';
import { identify, type ProcessIdentity } from '../../../oci/state/process.ts';

let directory: string;
let fifo: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lifecycle-fifo-'));
  fifo = join(directory, 'exec.fifo');
  execFileSync('mkfifo', [fifo]);
  linkSync(fifo, `${fifo}.link`);
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** A process that plays the init: as the monitor, it has hold of the FIFO by more than its name. */
async function writer(script: string): Promise<ProcessIdentity> {
  child = spawn('/bin/sh', ['-c', `echo; ${script}`, 'sh', `${fifo}.link`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.stdout) await once(child.stdout, 'data');
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error('the writer is dead');
  return identity;
}

test('lets the writer go on and removes the FIFO', async () => {
  const init = await writer('printf 0 > "$1"; exec sleep 30');
  await passExecFifo(fifo, init);
  expect(existsSync(fifo)).toBe(false);
});

test('of several callers one wins', async () => {
  const init = await writer('printf 0 > "$1"; exec sleep 30');
  const results = await Promise.allSettled([1, 2, 3].map(() => passExecFifo(fifo, init)));
  expect(
    results.map((result) => (result.status === 'rejected' ? `${result.reason}` : 'won')),
  ).toEqual(['won', ...Array(2).fill('OciError: cannot start an already running container')]);
});

test('waits for a writer that takes its time, before and after it opens', async () => {
  const script = 'sleep 0.1; exec 3> "$1"; sleep 0.1; printf 0 >&3; exec sleep 30';
  const init = await writer(script);
  await passExecFifo(fifo, init);
});

test('does not wait for a dead one', async () => {
  const init = await writer('exec sleep 30');
  child?.kill('SIGKILL');
  if (child) await once(child, 'exit');
  await expect(passExecFifo(fifo, init)).rejects.toThrow('container process is already dead');
});

test('notices a death between open and write', async () => {
  const init = await writer('exec 3> "$1"; kill -9 $$');
  await expect(passExecFifo(fifo, init)).rejects.toThrow('container process is already dead');
});

test('any other answer is the text of an error', async () => {
  const init = await writer('exec 3> "$1"; printf "a hook " >&3; sleep 0.05; echo failed >&3');
  await expect(passExecFifo(fifo, init)).rejects.toThrow(/^a hook failed$/);
});

test('an init that went through before is running', { timeout: 10_000 }, async () => {
  const init = await writer('exec sleep 30');
  await expect(passExecFifo(fifo, init)).rejects.toThrow(
    'cannot start an already running container',
  );
  expect(existsSync(fifo)).toBe(false);
});
