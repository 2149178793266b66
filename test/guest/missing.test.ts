/** What a container asked for in vain is told while it runs, and after. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeBundle } from '../bundle.ts';
import { pinion, temporaryDirectory } from '../pinion.ts';
import { build } from './programs.ts';

const EXPECTED = [
  { call: 'io_setup', number: 206, error: 'ENOSYS', count: 3 },
  { call: 'ioctl', number: 16, command: 0x4711, error: 'ENOTTY', count: 2 },
  { call: 'rseq', number: 334, error: 'ENOSYS', count: 1 },
  { call: 'bpf', number: 321, error: 'EPERM', count: 1 },
  { call: '', number: 400, error: 'ENOSYS', count: 1 },
];

test('events --missing', { timeout: 60_000 }, async () => {
  const id = `missing-${process.pid}`;
  const bundle = makeBundle({
    args: ['./missing', 'missing'],
    cwd: '/tmp',
    edit: (config) => {
      config.linux.cgroupsPath = `/${id}`;
    },
  });
  copyFileSync(await build('missing'), join(bundle, 'rootfs/tmp/missing'));
  const options = { root: temporaryDirectory() };
  const counted = async () => {
    const { stdout } = await pinion(['events', '--missing', id], options);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines
      .map((line) => JSON.parse(line))
      .sort((a, b) => b.data.count - a.data.count || b.data.call.localeCompare(a.data.call));
  };
  const expected = EXPECTED.map((data) => ({
    type: 'missing',
    id,
    data: { ...data, reason: expect.any(String) },
  }));
  const running = pinion(['run', '--keep', '--bundle', bundle, id], options);
  try {
    await expect.poll(counted, { timeout: 20_000 }).toEqual(expected);
    await pinion(['kill', id, 'KILL'], options);
    expect(await running).toMatchObject({ status: 137 });
    expect(await counted()).toEqual(expected);
  } finally {
    await pinion(['delete', '--force', id], options);
    await running;
  }
  const gone = await pinion(['events', '--missing', id], options);
  expect(gone).toMatchObject({ status: 1, stdout: '' });
});
