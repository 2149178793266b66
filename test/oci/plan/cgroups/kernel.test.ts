/** The plan's directories and writes, carried out on this host's own cgroups and beside runc's. */
import { execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { LaunchPlan } from '../../../../oci/launch-plan.ts';
import { cgroupPaths, computePlan, readHost } from '../../../../oci/plan/index.ts';
import type { Resources } from '../../../../oci/spec/index.ts';
import { parseConfig } from '../../../../oci/spec/index.ts';
import { planOptions, temporary } from '../fixture.ts';

const RUNC = '/usr/sbin/runc';
const unified = readHost().cgroups.every(({ version }) => version === 2);

const RESOURCES: Resources = {
  devices: [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' },
    { allow: true, type: 'b', major: 8, access: 'r' },
  ],
  memory: { limit: 256 << 20, reservation: 128 << 20 },
  cpu: { shares: 512, quota: 50_000, period: 100_000, cpus: '0' },
  pids: { limit: 77 },
};

/** The files that tell what was set, wherever they are. */
const FILES = [
  'devices.list',
  'memory.limit_in_bytes',
  'memory.soft_limit_in_bytes',
  'memory.max',
  'memory.low',
  'cpu.shares',
  'cpu.cfs_quota_us',
  'cpu.cfs_period_us',
  'cpu.weight',
  'cpu.max',
  'cpuset.cpus',
  'cpuset.mems',
  'pids.max',
];

/** File name -> its lines, sorted, of all groups of a plan. */
function settings(directories: string[]): Record<string, string[]> {
  const found = directories.flatMap((directory) =>
    FILES.map((file) => join(directory, file))
      .filter((path) => existsSync(path))
      .map((path) => [path, readFileSync(path, 'utf8').trim().split('\n').sort()] as const),
  );
  return Object.fromEntries(found);
}

function configText(cgroupsPath: string, resources: Resources): string {
  return JSON.stringify({
    ociVersion: '1.0.2',
    root: { path: 'rootfs' },
    process: { cwd: '/', args: ['/busybox', 'sleep', '60'] },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: {
      namespaces: [{ type: 'mount' }, { type: 'pid' }],
      cgroupsPath,
      resources,
    },
  });
}

function planOf(text: string, id: string): LaunchPlan {
  return computePlan(parseConfig(text), planOptions({ id, host: readHost() }));
}

/** Removes the groups of a plan and the parents that it made. */
function remove(plan: LaunchPlan, made: string[]): void {
  for (const directory of [...cgroupPaths(plan), ...made.toReversed()]) {
    if (existsSync(directory)) rmdirSync(directory);
  }
}

/** Does what the monitor does with a plan's cgroups. */
function carryOut(plan: LaunchPlan): void {
  const { create, writes, join: joined } = plan.cgroup ?? { create: [], writes: [], join: [] };
  const made = create.filter((directory) => !existsSync(directory));
  const sleeper = spawn('sleep', ['60'], { stdio: 'ignore' });
  const gone = new Promise((resolve) => sleeper.on('exit', resolve));
  onTestFinished(async () => {
    sleeper.kill('SIGKILL');
    await gone;
    remove(plan, made);
  });
  for (const directory of made) mkdirSync(directory);
  for (const { path, value, optional } of writes) {
    try {
      writeFileSync(path, value);
    } catch (error) {
      if (!optional) throw new Error(`cannot write ${value} to ${path}`, { cause: error });
    }
  }
  for (const directory of joined) writeFileSync(join(directory, 'cgroup.procs'), `${sleeper.pid}`);
  const membership = readFileSync(`/proc/${sleeper.pid}/cgroup`, 'utf8').trim().split('\n');
  const outside = membership.filter((line) => !line.includes('pinion-plan-'));
  expect(outside).toEqual([]);
}

it.each(['', '/pinion-plan-tests/deep', 'pinion-plan-tests/deep'])(
  'is accepted by the kernel: cgroupsPath %j',
  (path) => {
    const plan = planOf(configText(path, RESOURCES), 'pinion-plan-kernel');
    carryOut(plan);
    const values = Object.values(settings(cgroupPaths(plan))).flat();
    expect(values).toEqual(expect.arrayContaining([`${256 << 20}`, '478']));
    if (!unified) expect(values).toEqual(expect.arrayContaining(['c 10:229 rw', '512', '50000']));
  },
);

it('is refused by the kernel where it must be, by the file that names the limit', () => {
  const plan = planOf(configText('', { cpu: { cpus: '4000' } }), 'pinion-plan-refused');
  expect(() => carryOut(plan)).toThrow(/cannot write 4000 to .*cpuset\.cpus/);
});

it('makes the groups of runc, with the same contents', () => {
  const bundle = temporary();
  mkdirSync(join(bundle, 'rootfs'));
  copyFileSync('/bin/busybox', join(bundle, 'rootfs/busybox'));
  const text = configText('/pinion-plan-tests/runc', RESOURCES);
  writeFileSync(join(bundle, 'config.json'), text);
  const root = join(bundle, 'state');
  const runc = (...args: string[]) =>
    execFileSync(RUNC, ['--root', root, ...args], {
      cwd: bundle,
      stdio: ['ignore', 'ignore', 'inherit'],
    });

  const plan = planOf(text, 'pinion-plan-runc');
  const made = (plan.cgroup?.create ?? []).filter((directory) => !existsSync(directory));
  onTestFinished(() => remove(plan, made));
  onTestFinished(() => {
    runc('delete', '--force', 'pinion-plan-runc');
  });
  runc('create', 'pinion-plan-runc');
  const theirs = settings(cgroupPaths(plan));
  const state = execFileSync(RUNC, ['--root', root, 'state', 'pinion-plan-runc'], {
    encoding: 'utf8',
  });
  const { pid }: { pid: number } = JSON.parse(state);
  const membership = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  expect(membership.every((line) => line.endsWith(':/pinion-plan-tests/runc'))).toBe(true);
  expect(membership.length).toBe(cgroupPaths(plan).length);
  runc('delete', '--force', 'pinion-plan-runc');

  carryOut(plan);
  const ours = settings(cgroupPaths(plan));
  for (const [file, lines] of Object.entries(ours)) {
    // What monitors may need for 77 tasks of the container's.
    if (file.endsWith('/pids.max')) expect(lines.splice(0)).toEqual(['478']);
    if (file.endsWith('/pids.max')) lines.push('77');
  }
  expect(ours).toEqual(theirs);
});
