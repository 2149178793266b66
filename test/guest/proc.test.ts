/** What /proc tells of a guest's process is what the process knows of itself, as on Linux. */
import { expect, test } from 'vitest';
import { build, expectSame } from './programs.ts';

test.each(['maps', 'stack', 'auxv', 'status', 'tasks', 'limits', 'nproc', 'others'])(
  '%s',
  async (part) => {
    const program = await build('proc', '-pthread');
    expect((await expectSame(program, [part])).status).toBe(0);
  },
  60_000,
);

test('titles', async () => {
  expect((await expectSame(await build('title'), [])).status).toBe(0);
}, 60_000);
