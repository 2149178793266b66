import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Native } from '../../../native/index.ts';
import { DirectoryLock } from '../../../oci/state/lock.ts';

const ADDON = resolve(import.meta.dirname, '../../../native/build/Release/pinion.node');
const native = new Native(ADDON);
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lifecycle-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function take(): DirectoryLock {
  const lock = DirectoryLock.try(native, directory);
  if (typeof lock === 'string') throw new Error(lock);
  return lock;
}

test('one at a time', () => {
  const lock = take();
  expect(DirectoryLock.try(native, directory)).toBe('busy');
  lock.release();
  take().release();
});

test('a directory that is gone, or was made anew, is no longer the same', () => {
  const lock = take();
  rmSync(directory, { recursive: true });
  expect(DirectoryLock.try(native, directory)).toBe('gone');
  mkdirSync(directory);
  take().release();
  lock.release();
});

test('waiting ends when the lock is free, or when time is up', async () => {
  const lock = take();
  let calls = 0;
  const busy = await DirectoryLock.acquire(native, directory, 30, () => calls++);
  expect(busy).toBe('busy');
  expect(calls).toBeGreaterThan(1);
  setTimeout(() => lock.release(), 20);
  const next = await DirectoryLock.acquire(native, directory, 5000);
  expect(next).toBeInstanceOf(DirectoryLock);
  if (next instanceof DirectoryLock) next.release();
});

test('the lock of a process that was killed is free', async () => {
  const child = spawn('flock', [directory, 'sh', '-c', 'echo held; exec sleep 30'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  await once(child.stdout, 'data');
  expect(DirectoryLock.try(native, directory)).toBe('busy');
  process.kill(-(child.pid ?? 0), 'SIGKILL');
  await once(child, 'exit');
  const lock = await DirectoryLock.acquire(native, directory, 5000);
  expect(lock).toBeInstanceOf(DirectoryLock);
  if (lock instanceof DirectoryLock) lock.release();
});
