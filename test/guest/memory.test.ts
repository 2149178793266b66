/** Memory: mapped, moved, protected and given back. */
import { beforeAll, expect, test } from 'vitest';
import { build, expectGood, expectSame } from './programs.ts';

const programs: Record<string, string> = {};

beforeAll(async () => {
  for (const name of ['memory', 'mapping', 'fault']) programs[name] = await build(name);
});

test.each([
  ['memory', 'brk'],
  ['memory', 'placing'],
  ['memory', 'reserving'],
  ['memory', 'pieces'],
  ['memory', 'protecting'],
  ['memory', 'moving'],
  ['memory', 'advising'],
  ['memory', 'limits'],
  ['memory', 'much'],
  ['memory', 'churn'],
  ['mapping', 'private'],
  ['mapping', 'shared'],
  ['mapping', 'rights'],
  ['mapping', 'large'],
  ['mapping', 'many'],
  ['mapping', 'growing'],
  ['mapping', 'remapping'],
  ['mapping', 'again'],
  ['mapping', 'buffer'],
] as const)('%s: %s', async (program, name) => {
  await expectGood(programs[program] ?? '', [name]);
});

test.each(['past-end', 'truncated'])('a page that its file does not have: %s', async (name) => {
  expect(await expectSame(programs.mapping ?? '', [name])).toMatchObject({ signal: 'SIGBUS' });
});

test('accesses that mappings forbid', async () => {
  const program = programs.fault ?? '';
  const names = (await expectSame(program, [])).stdout.trimEnd().split('\n');
  expect(names).toContain('stack_limit');
  for (const name of names)
    expect(await expectSame(program, [name])).toMatchObject({ signal: 'SIGSEGV' });
});
