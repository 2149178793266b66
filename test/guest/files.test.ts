/** Calls about files and descriptors, and what all calls say of bad addresses. */
import { beforeAll, expect, test } from 'vitest';
import { build, expectSame } from './programs.ts';

const programs: Record<string, string> = {};

beforeAll(async () => {
  for (const name of ['files', 'data', 'pointers']) programs[name] = await build(name);
});

test.each([
  ['files', 'opening'],
  ['files', 'names'],
  ['files', 'linking'],
  ['files', 'attributes'],
  ['files', 'directory'],
  ['data', 'positions'],
  ['data', 'holes'],
  ['data', 'large'],
  ['data', 'pipes'],
  ['data', 'locks'],
  ['data', 'numbers'],
  ['pointers', 'all'],
] as const)('%s: %s', async (program, name) => {
  const { status, stdout } = await expectSame(programs[program] ?? '', [name]);
  expect(status).toBe(0);
  expect(stdout).not.toMatch(/ NO$/m);
});

test('writing into a pipe that nobody reads', async () => {
  expect(await expectSame(programs.data ?? '', ['broken'])).toMatchObject({ signal: 'SIGPIPE' });
});
