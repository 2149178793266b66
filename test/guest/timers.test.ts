/** Timers that send signals, signals that queue, descriptors that tell of signals. */
import { beforeAll, test } from 'vitest';
import { build, expectGood } from './programs.ts';

let program: string;

beforeAll(async () => {
  program = await build('timers');
});

test.each(['creating', 'repeating', 'computing', 'threads', 'queueing', 'descriptors', 'masks'])(
  '%s',
  async (name) => {
    await expectGood(program, [name]);
  },
);
