/** Threads and processes by raw calls, and what is each one's own, as on Linux. */
import { expect, test } from 'vitest';
import { build, expectSame } from './programs.ts';

test.each(['names', 'held', 'unsharing', 'barriers', 'crowd', 'spinning'])(
  '%s',
  async (part) => {
    const program = await build('tasks', '-pthread');
    expect((await expectSame(program, [part])).status).toBe(0);
  },
  120_000,
);
