/** seccomp(2): filters of the program's own. */
import { beforeAll, expect, test } from 'vitest';
import { build, expectGood, expectSame } from './programs.ts';

let program = '';

beforeAll(async () => {
  program = await build('seccomp');
});

test.each([
  'modes',
  'refused',
  'unprivileged',
  'results',
  'trap',
  'kill_thread',
  'together',
  'apart',
  'inherited',
  'executed',
  'spawned',
  'executing_refused',
  'random',
])('%s', async (name) => {
  await expectGood(program, [name]);
});

test.each([
  ['trap_blocked', 'SIGSYS'],
  ['trap_unhandled', 'SIGSYS'],
  ['kill_process', 'SIGSYS'],
  ['kill_last', 'SIGSYS'],
  ['strict', 'SIGKILL'],
])('%s', async (name, signal) => {
  const result = await expectSame(program, [name]);
  expect(result).toMatchObject({ signal });
});
