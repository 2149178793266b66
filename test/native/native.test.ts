import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
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
