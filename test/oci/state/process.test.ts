import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { identify, isAlive, namespacePid } from '../../../oci/state/process.ts';

test('knows this process, whatever its name', () => {
  const self = identify(process.pid);
  expect(self?.pid).toBe(process.pid);
  expect(self?.startTime).toBeGreaterThan(0);
  expect(isAlive({ pid: process.pid, startTime: self?.startTime ?? 0 })).toBe(true);
});

test('another start time is another process', () => {
  expect(isAlive({ pid: process.pid, startTime: 1 })).toBe(false);
});

test('a process that is gone, or a zombie, has no identity', async () => {
  const child = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 30']);
  const [line] = await once(child.stdout, 'data');
  const zombie = Number(line);
  await expect.poll(() => identify(zombie)).toBeUndefined();
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(identify(child.pid ?? 0)).toBeUndefined();
});

test('the pid in its own namespace is the last of NSpid', () => {
  expect(namespacePid(process.pid)).toBe(process.pid);
});
