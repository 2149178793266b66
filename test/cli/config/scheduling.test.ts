/** Clocks, schedulers, priorities and CPUs that config.json gives a container's processes. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { build } from '../../guest/programs.ts';
import { Container } from '../lifecycle/container.ts';

let program = '';

beforeAll(async () => {
  program = await build('scheduling');
});

async function running(edit: (config: BundleConfig) => void): Promise<Container> {
  const made = new Container({ edit });
  copyFileSync(program, join(made.bundle, 'rootfs/tmp/scheduling'));
  await made.create();
  await made.start();
  return made;
}

/** What the program tells, as the container's process or one that joins it. */
function told({ stdout, stderr }: { stdout: string; stderr: string }) {
  expect(stderr).toBe('');
  const value = (name: string) =>
    stdout
      .split('\n')
      .find((line) => line.includes(name))
      ?.replace(/.*: /, '');
  return {
    hours: [...stdout.matchAll(/HOURS.*: (-?\d+)$/gm)].map(([, hours]) => hours),
    policy: value('getscheduler'),
    nice: value('getpriority'),
    io: value('ioprio'),
    cpus: value('CPU_COUNT'),
    second: value('CPU_ISSET'),
  };
}

test('the clocks of a time namespace, by the vDSO and by system calls', async () => {
  const uptime = readFileSync('/proc/uptime', 'utf8').split('.')[0] ?? '';
  const args = ['/tmp/scheduling', uptime, uptime];
  const timed = ({ linux }: BundleConfig) => {
    linux.namespaces.push({ type: 'time' });
    linux.timeOffsets = { monotonic: { secs: 7200 }, boottime: { secs: 360_000, nanosecs: 5 } };
  };
  const made = await running((config) => {
    timed(config);
    config.process.args = ['/bin/sh', '-c', `${args.join(' ')}; sleep 60`];
  });
  const expected = ['2', '100', '2', '100'];
  expect(told(await made.pinion('exec', made.id, ...args)).hours).toEqual(expected);
  const init = () => told({ stdout: readFileSync(made.stdout, 'utf8'), stderr: '' }).hours;
  await expect.poll(init, { timeout: 10_000 }).toEqual(expected);
  const { pid } = await made.state();
  const offsets = readFileSync(`/proc/${pid}/timens_offsets`, 'utf8');
  expect(offsets.split(/\s+/)).toEqual(['monotonic', '7200', '0', 'boottime', '360000', '5', '']);
});

test('scheduler and I/O priority, which a process that joins may have of its own', async () => {
  const made = await running(({ process }) => {
    process.scheduler = { policy: 'SCHED_BATCH', nice: 7 };
    process.ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 6 };
    process.args = ['/bin/sh', '-c', '/tmp/scheduling; sleep 60'];
  });
  const expected = { policy: '3', nice: '7', io: String((2 << 13) | 6) };
  const exec = async (...args: string[]) => told(await made.pinion('exec', ...args));
  expect(await exec(made.id, '/tmp/scheduling')).toMatchObject(expected);
  const init = () => told({ stdout: readFileSync(made.stdout, 'utf8'), stderr: '' });
  await expect.poll(init, { timeout: 10_000 }).toMatchObject(expected);
  const own = join(made.base, 'process.json');
  const asked = {
    cwd: '/',
    args: ['/tmp/scheduling'],
    ioPriority: { class: 'IOPRIO_CLASS_IDLE' },
    execCPUAffinity: { initial: '0', final: '0' },
  };
  writeFileSync(own, JSON.stringify(asked));
  const joined = { policy: '3', io: String(3 << 13), cpus: '1', second: '0' };
  expect(await exec('--process', own, made.id)).toMatchObject(joined);
});

test('CPUs are those of a process that joins only', async () => {
  const made = await running(({ process }) => {
    process.execCPUAffinity = { final: '0' };
    process.args = ['/bin/sh', '-c', '/tmp/scheduling; sleep 60'];
  });
  const joined = told(await made.pinion('exec', made.id, '/tmp/scheduling'));
  expect(joined.cpus).toBe('1');
  const init = () => told({ stdout: readFileSync(made.stdout, 'utf8'), stderr: '' }).cpus;
  await expect.poll(init, { timeout: 10_000 }).toBe(String(availableParallelism()));
});

test('memory nodes, where the host has them', async () => {
  const run = (nodes: string) => {
    const edit = ({ linux }: BundleConfig) => {
      linux.memoryPolicy = { mode: 'MPOL_BIND', nodes, flags: ['MPOL_F_STATIC_NODES'] };
    };
    return new Container({ args: ['/bin/true'], edit }).launch('run');
  };
  expect(await run('0')).toMatchObject({ status: 0, stderr: '' });
  expect((await run('1000')).stderr).toMatch(/error setting memory policy: invalid argument/);
});

test('security modules that the host lacks are told of as by runc', async () => {
  const made = await running(() => {});
  const exec = async (...args: string[]) => {
    const { status, stderr } = await made.pinion('exec', ...args, made.id, '/bin/true');
    expect(status).toBe(255);
    return stderr;
  };
  expect(await exec('--apparmor', 'docker-default')).toMatch(
    /unable to apply apparmor profile: apparmor failed to apply profile: write \/proc\/self\/attr\/current: invalid argument/,
  );
  expect(await exec('--process-label', 'label')).toMatch(
    /selinux label is specified in config, but selinux is disabled or not supported/,
  );
  const { status, stderr } = await made.pinion('exec', '--cap', 'CAP_FLY', made.id, '/bin/true');
  expect(status).toBe(0);
  expect(stderr).toMatch(
    /level=warning.*ignoring unknown or unavailable capabilities: \[CAP_FLY\]/,
  );
});

test('the section vm chooses the unikernel and its parameters', async () => {
  const run = (kernel: object) =>
    new Container({
      args: ['/bin/true'],
      edit: (config) => Object.assign(config, { vm: { kernel } }),
    });
  const verbose = await run({ path: '', parameters: ['verbose'] }).launch('run');
  expect(verbose.stderr).toMatch(/^pinion unikernel /m);
  const wrong = await run({ path: '/bin/true' }).launch('run');
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toMatch(/the unikernel image is not one/);
});
