/** A process by itself: its start, its attributes, its end, time, and waiting for events. */
import { beforeAll, expect, test } from 'vitest';
import { build, expectGood, expectSame } from './programs.ts';

const programs: Record<string, string> = {};

beforeAll(async () => {
  for (const name of ['process', 'time', 'events', 'fork', 'exec', 'spawn', 'kept'])
    programs[name] = await build(name);
});

test.each([
  ['process', 'start'],
  ['process', 'identity'],
  ['process', 'machine'],
  ['process', 'limits'],
  ['process', 'attributes'],
  ['process', 'signals'],
  ['time', 'reading'],
  ['time', 'sleeping'],
  ['events', 'polling'],
  ['events', 'selecting'],
  ['events', 'counting'],
  ['events', 'epolling'],
  ['events', 'timing'],
  ['fork', 'memory'],
  ['fork', 'names'],
  ['fork', 'files'],
  ['fork', 'waiting'],
  ['fork', 'orphan'],
  ['fork', 'sharing'],
  ['fork', 'pidfds'],
  ['fork', 'looping'],
  ['fork', 'threads'],
  ['spawn', 'memory'],
  ['spawn', 'own'],
  ['spawn', 'spawning'],
  ['spawn', 'threads'],
  ['spawn', 'killed'],
  ['spawn', 'looping'],
  ['exec', 'given'],
  ['exec', 'large'],
  ['exec', 'errors'],
  ['exec', 'at'],
  ['exec', 'attributes'],
  ['exec', 'threads'],
  ['exec', 'closed'],
  ['exec', 'chain'],
  ['exec', 'names'],
  ['exec', 'watching'],
  ['kept', 'exec'],
  ['kept', 'locks'],
  ['kept', 'waits'],
] as const)('%s: %s', async (program, name) => {
  await expectGood(programs[program] ?? '', [name]);
});

test('exit', async () => {
  const result = await expectSame(programs.process ?? '', ['exiting']);
  expect(result).toMatchObject({ status: 300 & 255, stdout: 'not lost' });
});

test('arguments and environment, many, long and empty', async () => {
  const args = ['strings', '', ...Array.from({ length: 2000 }, (_, i) => `argument ${i}`), ''];
  const env: Record<string, string> = { EMPTY: '', LONG: 'x'.repeat(100_000) };
  for (let i = 0; i < 1000; i++) env[`VARIABLE_${i}`] = `value ${i}`;
  const { stdout } = await expectSame(programs.process ?? '', args, { env });
  expect(stdout).toContain('1002 variables');
});

/** Not those that stop a process: nobody would wake it. */
const SIGNALS = Array.from({ length: 64 }, (_, i) => i + 1).filter((i) => i < 19 || i > 22);

test('the signals that a program sends itself', async () => {
  for (const signal of SIGNALS)
    await expectSame(programs.process ?? '', ['raising'], { env: { SIGNAL: `${signal}` } });
});
