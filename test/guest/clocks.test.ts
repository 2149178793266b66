/** Clocks are the host's, whichever way they are read. */
import { beforeAll, expect, test } from 'vitest';
import { build, expectSame, runGuest } from './programs.ts';

let clocks: string;

beforeAll(async () => {
  clocks = await build('clocks');
});

test('agree with the host, by the vDSO and by system call', async () => {
  const before = { MONOTONIC: process.hrtime.bigint(), REALTIME: BigInt(Date.now()) * 1_000_000n };
  const { status, stdout } = await runGuest(clocks, ['read']);
  const after = {
    MONOTONIC: process.hrtime.bigint(),
    REALTIME: BigInt(Date.now() + 1) * 1_000_000n,
  };
  expect(status).toBe(0);
  for (const [, name = '', times = ''] of stdout.matchAll(/^([A-Z_]+) ([\d ]+)$/gm)) {
    const readings = times.split(' ').map(BigInt);
    expect([name, readings]).toEqual([name, readings.toSorted((a, b) => (a < b ? -1 : 1))]);
    const read = { first: readings[0] ?? 0n, last: readings.at(-1) ?? 0n };
    if (name !== 'MONOTONIC' && name !== 'REALTIME') continue;
    expect(read.first).toBeGreaterThanOrEqual(before[name]);
    expect(read.last).toBeLessThanOrEqual(after[name]);
  }
  expect(stdout.match(/^MONOTONIC |^REALTIME /gm)).toHaveLength(2);
});

test('never go back, and agree with the times of files', async () => {
  const { stdout } = await expectSame(clocks, ['order']);
  expect(stdout).toContain('back 0');
  expect(stdout).not.toContain('NO');
});

test('are read without leaving the guest', async () => {
  const { stdout, stderr } = await runGuest(clocks, ['order'], { env: { PINION_VERBOSE: '1' } });
  expect(stdout).toContain('back 0');
  expect(Number(stderr.match(/requests (\d+)/)?.[1])).toBeLessThan(1000);
});
