/** Futexes that processes share, locks with owners, and what an owner's death leaves, as on Linux. */
import { expect, test } from 'vitest';
import { build, expectSame } from './programs.ts';

test.each([
  'shared',
  'signalled',
  'library',
  'robust',
  'inherit',
  'forsaken',
  'vector',
  'among',
  'newer',
])('%s', async (part) => {
  const program = await build('futexes', '-pthread');
  expect((await expectSame(program, [part])).status).toBe(0);
});
