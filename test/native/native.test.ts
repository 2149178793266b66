import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Native, SystemCallError } from '../../native/index.ts';
import { errnoOf } from '../../oci/errors.ts';

const native = new Native(resolve(import.meta.dirname, '../../native/build/Release/pinion.node'));
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pinion-native-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('a lock belongs to one open directory', () => {
  const first = openSync(directory, 'r');
  const second = openSync(directory, 'r');
  expect(native.tryLock(first)).toBe(true);
  expect(native.tryLock(first)).toBe(true);
  expect(native.tryLock(second)).toBe(false);
  closeSync(first);
  expect(native.tryLock(second)).toBe(true);
  closeSync(second);
});

test('a FIFO has exactly the mode asked for', () => {
  const path = join(directory, 'fifo');
  const umask = process.umask(0o077);
  try {
    native.makeFifo(path, 0o622);
  } finally {
    process.umask(umask);
  }
  const { mode } = statSync(path);
  expect(mode & 0o7777).toBe(0o622);
  expect(statSync(path).isFIFO()).toBe(true);
});

test('a signal reaches the process of a descriptor, also when the id is given out again', async () => {
  const child = spawn('/bin/sleep', ['60']);
  const pidfd = native.openProcess(child.pid ?? 0);
  native.signalProcess(pidfd, 0);
  native.signalProcess(pidfd, 15);
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGTERM');
  expect(() => native.signalProcess(pidfd, 0)).toThrow(SystemCallError);
  closeSync(pidfd);
});

test('a failed call throws with its errno', () => {
  const errno = (call: () => unknown) => {
    try {
      call();
      return undefined;
    } catch (error) {
      return errnoOf(error);
    }
  };
  expect(errno(() => native.openProcess(2 ** 22 + 1))).toBe('ESRCH');
  expect(errno(() => native.openProcess(-1))).toBe('EINVAL');
  expect(errno(() => native.tryLock(-1))).toBe('EBADF');
  expect(errno(() => native.makeFifo(directory, 0o600))).toBe('EEXIST');
  expect(errno(() => native.makeFifo(join(directory, 'no', 'fifo'), 0o600))).toBe('ENOENT');
  mkdirSync(join(directory, 'plain'));
  expect(errno(() => native.detachMount(join(directory, 'plain')))).toBe('EINVAL');
});

test('a program gets the descriptors, an empty environment and a session of its own', async () => {
  const [ours, theirs] = native.socketPair();
  const script = '{ cat /proc/$$/environ; pwd; cat /proc/$$/stat; } >&3; kill -9 $$';
  const nowhere = openSync('/dev/null', 'r+');
  const args = ['/bin/sh', '-c', script];
  const pid = native.spawn('/bin/sh', args, [nowhere, nowhere, nowhere, theirs]);
  closeSync(theirs);
  closeSync(nowhere);
  const pidfd = native.openProcess(pid);
  await readable(pidfd);
  expect(native.waitProcess(pid)).toBe(9);
  closeSync(pidfd);

  await readable(ours);
  const text = readFileSync(ours, 'utf8');
  closeSync(ours);
  // Nothing of an environment goes before.
  const [, stat = ''] = /^\/\n\d+ \([^)]+\) (.*)/.exec(text) ?? [];
  // State, parent, process group, session (proc_pid_stat(5)).
  expect(stat.split(' ').slice(2, 4)).toEqual([String(pid), String(pid)]);
});

test('a program that is none, and a descriptor that is closed, are errors', () => {
  expect(() => native.spawn(directory, [directory], [0, 1, 2])).toThrow('errno 13');
  expect(() => native.spawn('/nowhere', ['/nowhere'], [0, 1, 2])).toThrow('errno 2');
  expect(() => native.spawn('/bin/true', ['/bin/true'], [0, 1, 9999])).toThrow('errno 9');
  expect(() => native.waitProcess(1)).toThrow('errno 10');
  expect(() => native.watch(9999, () => {})).toThrow('errno 9');
});

/** Until the descriptor is readable or at its end. */
function readable(fd: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = native.watch(fd, () => {
      stop();
      stop();
      resolve();
    });
  });
}
