/** Calls about files and descriptors, and what all calls say of bad addresses. */
import { beforeAll, expect, test } from 'vitest';
import { build, expectGood, expectSame } from './programs.ts';

const programs: Record<string, string> = {};

beforeAll(async () => {
  for (const name of ['files', 'attributes', 'data', 'descriptors', 'pointers'])
    programs[name] = await build(name);
});

test.each([
  ['files', 'opening'],
  ['files', 'names'],
  ['files', 'linking'],
  ['files', 'sizes'],
  ['attributes', 'attributes'],
  ['attributes', 'directory'],
  ['data', 'positions'],
  ['data', 'holes'],
  ['data', 'large'],
  ['data', 'pipes'],
  ['descriptors', 'locks'],
  ['descriptors', 'numbers'],
  ['descriptors', 'commands'],
  ['descriptors', 'notices'],
  ['pointers', 'all'],
] as const)('%s: %s', async (program, name) => {
  await expectGood(programs[program] ?? '', [name]);
});

test('writing into a pipe that nobody reads', async () => {
  expect(await expectSame(programs.data ?? '', ['broken'])).toMatchObject({ signal: 'SIGPIPE' });
});
