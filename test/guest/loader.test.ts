/** Programs without a library, as the linker can lay them out; and SQLite, a large one. */
import { expect, test } from 'vitest';
import { build, buildAs, expectGood, expectSame } from './programs.ts';

test.each([
  ['plain', []],
  ['static-pie', ['-static-pie', '-fPIE']],
  ['high', ['-Wl,-Ttext-segment=0x100000000000']],
  ['low', ['-Wl,-Ttext-segment=0x10000']],
  ['executable-stack', ['-Wl,-z,execstack']],
  ['one-segment', ['-Wl,-N', '-Wl,--no-warn-rwx-segments']],
  ['large-pages', ['-Wl,-z,max-page-size=0x200000']],
  ['shared-pages', ['-Wl,-z,noseparate-code', '-Wl,-z,norelro', '-Wl,--strip-all']],
] as const)('the first state of a program: %s', async (name, flags) => {
  const bare = ['-nostdlib', '-ffreestanding', '-fno-stack-protector'];
  const program = await buildAs(`start-${name}`, 'start', ...bare, ...flags);
  const env = { A: 'b', EMPTY: '' };
  const { status, stdout } = await expectSame(program, ['one', '', 'three'], { env });
  expect(status).toBe(42);
  expect(stdout).toContain('bss 1\ndata 7\nconstant\n');
});

test.each(['wal', 'delete', 'memory'])('SQLite, its journal %s', async (journal) => {
  await expectGood(await build('sqlite', '-lsqlite3', '-lm'), [journal]);
});
