import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Native } from '../../../native/index.ts';
import { isFrozen, processesIn, removeCgroups, thaw } from '../../../oci/lifecycle/cgroup.ts';
import { killAll } from '../../../oci/lifecycle/process.ts';

const ADDON = resolve(import.meta.dirname, '../../../native/build/Release/pinion.node');
const native = new Native(ADDON);
/** Of the hierarchies that this machine has: version 1, or version 2 alone. */
const mounted = (names: string[]) => names.filter((path) => existsSync(`${path}/cgroup.procs`));
const hierarchies = [
  ...mounted(['/sys/fs/cgroup/freezer', '/sys/fs/cgroup/pids', '/sys/fs/cgroup/unified']),
  ...mounted(['/sys/fs/cgroup']),
];
const groups = hierarchies.map((path) => `${path}/lifecycle-cgroup-${process.pid}`);
let child: ChildProcess | undefined;

beforeEach(() => {
  for (const group of groups) mkdirSync(group);
});
afterEach(async () => {
  thaw(groups);
  child?.kill('SIGKILL');
  await removeCgroups(groups);
});

async function member(script: string, group: string[]): Promise<number> {
  child = spawn('/bin/sh', ['-c', `read x; ${script}`], { stdio: ['pipe', 'inherit', 'inherit'] });
  const pid = child.pid ?? 0;
  for (const path of group) writeFileSync(`${path}/cgroup.procs`, String(pid));
  child.stdin?.end('\n');
  return pid;
}

test('finds the processes of a group and of those below it, once each', async () => {
  const nested = groups.map((group) => `${group}/a`);
  for (const group of nested) mkdirSync(group);
  const pid = await member('exec sleep 30', nested);
  expect([...processesIn(groups)]).toEqual([pid]);
});

test('removes groups with those below them, when their processes have just been killed', async () => {
  const nested = groups.flatMap((group) => [`${group}/a`, `${group}/a/b`]);
  for (const group of nested) mkdirSync(group);
  const deepest = nested.filter((path) => path.endsWith('b'));
  await member('while :; do sleep 30 & sleep 0.01; done', deepest);
  await expect.poll(() => processesIn(groups).size).toBeGreaterThan(3);
  expect(await killAll(native, () => processesIn(groups), 5000)).toBe(true);
  await removeCgroups(groups);
  expect(groups.filter((group) => existsSync(group))).toEqual([]);
  await removeCgroups(groups);
});

test('what cannot be removed is an error, not a hang', { timeout: 10_000 }, async () => {
  await member('exec sleep 30', groups);
  await expect(removeCgroups(groups)).rejects.toThrow(
    `rmdir ${groups[0]}: device or resource busy`,
  );
});

test('knows a frozen group and thaws it', async () => {
  expect(isFrozen(groups)).toBe(false);
  const pid = await member('exec sleep 30', groups);
  const [group] = groups;
  const v1 = `${group}/freezer.state`;
  if (existsSync(v1)) writeFileSync(v1, 'FROZEN');
  else writeFileSync(`${group}/cgroup.freeze`, '1');
  expect(isFrozen(groups)).toBe(true);
  process.kill(pid, 'SIGKILL');
  thaw(groups);
  expect(isFrozen(groups)).toBe(false);
  if (child) await once(child, 'exit');
  expect(readFileSync(`${group}/cgroup.procs`, 'utf8')).toBe('');
});
