/** Entering the kernel: what survives a system call, and what ends the program. */
import { beforeAll, expect, test } from 'vitest';
import { build, expectGood, expectSame } from './programs.ts';

let entry: string;
let die: string;
let code: string;

beforeAll(async () => {
  entry = await build('entry');
  die = await build('die');
  code = await build('code');
});

test.each(['plain', 'arithmetic', 'direction', 'alignment', 'identification'])(
  'registers, vectors and red zone survive every kind of site, flags: %s',
  async (flags) => {
    const { stdout } = await expectSame(entry, [flags]);
    expect(stdout).toContain('cpuid');
    expect(stdout).not.toMatch(/NO|(vectors|control|zone) 0/);
  },
);

test('numbers without a call are ENOSYS', async () => {
  const { stdout } = await expectSame(entry, ['numbers']);
  expect(stdout).toContain('ENOSYS');
});

test('instructions that end a program do so by the same signal', async () => {
  const names = (await expectSame(die, [])).stdout.trimEnd().split('\n');
  expect(names.length).toBeGreaterThan(50);
  for (const name of names) await expectSame(die, [name]);
}, 20_000);

test.each(['changing', 'replacing', 'of-file', 'twice', 'many'])(
  'code that a program makes, its calls patched or not: %s',
  async (name) => {
    await expectGood(code, [name]);
  },
);
