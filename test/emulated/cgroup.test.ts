/** Containers where cgroup v2 is all there is, on stock KVM. */
import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { BundleConfig } from '../bundle.ts';
import { Container } from '../cli/lifecycle/container.ts';

const GROUPS = '/sys/fs/cgroup';

/** A file of the container's group. */
const setting = ({ id }: Container, file: string) =>
  readFileSync(join(GROUPS, id, file), 'utf8').trim();

const limited = (resources: object, args: readonly string[] = ['/bin/sleep', '60']) =>
  new Container({ args, edit: (config) => Object.assign(config.linux, { resources }) });

test('the machine is what it is meant to be', () => {
  expect(existsSync('/sys/module/kvm_amd')).toBe(true);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  expect(mounts).toMatch(/ - cgroup2 /);
  expect(mounts).not.toMatch(/ - cgroup /);
});

test('limits are set, and the init is in its group and in no other', async () => {
  const container = limited({
    memory: { limit: 256 << 20, reservation: 128 << 20 },
    cpu: { shares: 512, quota: 50_000, period: 100_000, cpus: '0' },
    pids: { limit: 77 },
    unified: { 'memory.high': '200M' },
  });
  await container.create();
  const { pid } = await container.state();
  expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toBe(`0::/${container.id}\n`);
  const files = {
    'memory.max': `${256 << 20}`,
    'memory.low': `${128 << 20}`,
    'memory.high': `${200 << 20}`,
    'cpu.max': '50000 100000',
    'cpu.weight': '20',
    'cpuset.cpus': '0',
    'pids.max': '77',
  };
  for (const [file, value] of Object.entries(files)) {
    expect([file, setting(container, file)]).toEqual([file, value]);
  }
  // Beside it may be a kernel thread, which KVM makes for each machine.
  expect(setting(container, 'cgroup.procs').split('\n')).toContain(`${pid}`);
  await container.start();
  expect((await container.state()).status).toBe('running');
});

test('a parent that is not there is made, with the controllers that the limits need', async () => {
  const parent = join(GROUPS, 'pinion-emulated');
  onTestFinished(() => rmdirSync(parent));
  const container = new Container({
    edit: (config) => {
      config.linux.cgroupsPath = '/pinion-emulated/container';
      Object.assign(config.linux, { resources: { pids: { limit: 9 } } });
    },
  });
  await container.create();
  expect(readFileSync(join(parent, 'container/pids.max'), 'utf8')).toBe('9\n');
  await container.pinion('delete', '--force', container.id);
  expect(existsSync(join(parent, 'container'))).toBe(false);
});

describe('devices', () => {
  const KMSG = { path: '/dev/kmsg', type: 'c', major: 1, minor: 11, fileMode: 0o666 };
  const DENY = { allow: false, access: 'rwm' };

  /** The end of a program that uses /dev/kmsg under these rules. */
  async function withRules(rules: object[], ...args: string[]) {
    const edit = (config: BundleConfig) => {
      Object.assign(config.linux, { devices: [KMSG], resources: { devices: [DENY, ...rules] } });
      // The kernel's log is read with it alone; writing needs nothing.
      const log = ['CAP_SYSLOG'];
      config.process.capabilities = { bounding: log, permitted: log, effective: log };
    };
    return await new Container({ args: ['/bin/busybox', ...args], edit }).launch('run');
  }
  const read = ['dd', 'if=/dev/kmsg', 'of=/dev/null', 'bs=8192', 'count=1'];
  const write = ['dd', 'if=/dev/null', 'of=/dev/kmsg'];
  const allow = (access: string) => ({ allow: true, type: 'c', major: 1, minor: 11, access });

  test('that are not allowed cannot be opened', async () => {
    expect(await withRules([], ...read)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("can't open '/dev/kmsg': Operation not permitted"),
    });
  });

  test('that are allowed can be opened for that, and for nothing else', async () => {
    expect(await withRules([allow('r')], ...read)).toMatchObject({ status: 0 });
    expect(await withRules([allow('rm')], ...write)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("can't open '/dev/kmsg': Operation not permitted"),
    });
    expect(await withRules([allow('w')], ...write)).toMatchObject({ status: 0 });
  });

  test('that every container has are allowed', async () => {
    const copy = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=4096', 'count=2'];
    expect(await withRules([], ...copy)).toMatchObject({ status: 0 });
  });
});

test('a program that needs more memory than its limit is killed', async () => {
  const grow = ['/bin/sh', '-c', 'x=0123456789abcdef; while :; do x=$x$x; done'];
  const container = limited({ memory: { limit: 96 << 20 } }, grow);
  expect(await container.launch('run')).toMatchObject({ status: 137 });
});

test('a program is held to its share of the processor', async () => {
  const loop = ['/bin/sh', '-c', 'while :; do :; done'];
  const container = limited({ cpu: { quota: 10_000, period: 100_000 } }, loop);
  expect(await container.launch('run', '--detach')).toMatchObject({ status: 0 });
  const throttled = () => Number(/nr_throttled (\d+)/.exec(setting(container, 'cpu.stat'))?.[1]);
  await expect.poll(throttled).toBeGreaterThan(5);
});

test('a container sees its own group as the root of all', async () => {
  const edit = (config: BundleConfig) => {
    const options = ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'];
    config.linux.namespaces.push({ type: 'cgroup' });
    config.mounts.push(
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options },
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options },
    );
    Object.assign(config.linux, { resources: { pids: { limit: 33 } } });
  };
  const show = (file: string) => new Container({ args: ['/bin/cat', file], edit }).launch('run');
  expect(await show('/proc/self/cgroup')).toMatchObject({ status: 0, stdout: '0::/\n' });
  expect(await show('/sys/fs/cgroup/pids.max')).toMatchObject({ status: 0, stdout: '33\n' });
});
