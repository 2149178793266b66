/** What a container asked for in vain is told while it runs, and after, of all its processes. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeBundle } from '../bundle.ts';
import { pinion, temporaryDirectory } from '../pinion.ts';
import { build } from './programs.ts';

/** Of the program, and of the child that it makes and that executes it again. */
const ASKED = {
  'io_setup: ENOSYS': 3,
  'ioctl 18193: ENOTTY': 2,
  'rseq: ENOSYS': 2,
  'bpf: EPERM': 1,
  '400: ENOSYS': 1,
};

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
  const asked = async () => {
    const { stdout } = await pinion(['events', '--missing', id], options);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return Object.fromEntries(
      lines.map((line) => {
        const { type, id: of, data } = JSON.parse(line);
        expect({ type, of, data }).toMatchObject({
          type: 'missing',
          of: id,
          data: { reason: expect.any(String) },
        });
        const command = data.command === undefined ? '' : ` ${data.command}`;
        return [`${data.call || data.number}${command}: ${data.error}`, data.count];
      }),
    );
  };
  const running = pinion(['run', '--keep', '--bundle', bundle, id], options);
  try {
    await expect.poll(asked, { timeout: 20_000 }).toEqual(ASKED);
    // What joins the container asks, too.
    await pinion(['exec', id, './missing', 'again'], options);
    const later = { ...ASKED, 'ioctl 18193: ENOTTY': 3, 'rseq: ENOSYS': 3 };
    expect(await asked()).toEqual(later);
    await pinion(['kill', id, 'KILL'], options);
    expect(await running).toMatchObject({ status: 137 });
    expect(await asked()).toEqual(later);
  } finally {
    await pinion(['delete', '--force', id], options);
    await running;
  }
  const gone = await pinion(['events', '--missing', id], options);
  expect(gone).toMatchObject({ status: 1, stdout: '' });
});
