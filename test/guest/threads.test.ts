/** Threads and the handlers of signals, as on Linux. */
import { expect, test } from 'vitest';
import { build, buildGo, expectSame } from './programs.ts';

test.each(['threads', 'signals', 'masks'])('%s', async (name) => {
  const program = await build(name, '-pthread');
  // Not by luck: what goes wrong between threads does so rarely.
  for (let round = 0; round < 3; round++) {
    expect((await expectSame(program, [])).status).toBe(0);
  }
});

test('a static Go program', async () => {
  const program = await buildGo('routines');
  for (let round = 0; round < 3; round++) {
    expect((await expectSame(program, [])).status).toBe(0);
  }
}, 120_000);

test.each([
  'unmapping',
  'protecting',
  'patching',
  'growing',
  'signalling',
  'passing',
  'asking',
  'forking',
  'spawning',
  'reading',
  'waiting',
  'many',
])(
  'threads at the same time: %s',
  async (name) => {
    const program = await build('vcpus', '-pthread');
    for (let round = 0; round < 2; round++) await expectSame(program, [name]);
  },
  120_000,
);
