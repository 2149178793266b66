/** System V IPC, message queues, watching files, moving bytes, scheduling, privileges. */
import { beforeAll, test } from 'vitest';
import { build, expectGood } from './programs.ts';

const programs: Record<string, string> = {};

beforeAll(async () => {
  for (const name of ['ipc', 'watching', 'privileges']) programs[name] = await build(name);
});

test.each([
  ['ipc', 'semaphores'],
  ['ipc', 'messages'],
  ['ipc', 'queues'],
  ['ipc', 'memory'],
  ['watching', 'watching'],
  ['watching', 'noting'],
  ['watching', 'moving'],
  ['watching', 'sealing'],
  ['watching', 'locking'],
  ['watching', 'handles'],
  ['watching', 'closing'],
  ['watching', 'scheduling'],
  ['privileges', 'telling'],
  ['privileges', 'keeping'],
  ['privileges', 'orphaned'],
] as const)('%s: %s', async (program, name) => {
  await expectGood(programs[program] ?? '', [name]);
});
