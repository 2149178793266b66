/** The systemd cgroup driver, with systemd as pid 1. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type BundleConfig, makeBundle } from '../bundle.ts';
import { execute, pinion, type Result, temporaryDirectory } from '../pinion.ts';

const GROUPS = '/sys/fs/cgroup';
const isUnified = existsSync(join(GROUPS, 'cgroup.controllers'));
const SLICE = 'pinion-tests.slice';
const BELOW = 'pinion.slice/pinion-tests.slice';
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

let count = 0;

/** A container that is a scope in a slice of the tests. */
class Scope {
  readonly id = `systemd-${process.pid}-${count++}`;
  readonly unit = `test-${this.id}.scope`;
  readonly root = join(temporaryDirectory(), 'state');
  readonly bundle: string;

  constructor(edit: (config: BundleConfig) => void = () => {}) {
    this.bundle = makeBundle({
      args: ['/bin/sleep', '60'],
      edit: (config) => {
        config.linux.cgroupsPath = `${SLICE}:test:${this.id}`;
        edit(config);
      },
    });
    onTestFinished(async () => {
      await this.pinion('delete', '--force', this.id);
      await expect.poll(() => this.leftovers()).toEqual([]);
      expect(await this.show('LoadState')).toEqual({ LoadState: 'not-found' });
    });
  }

  pinion(...args: string[]): Promise<Result> {
    return pinion(args, { root: this.root, env });
  }

  /** By the driver; nothing reads the container's streams. */
  launch(command: 'create' | 'run', ...flags: string[]): Promise<Result> {
    const words = [command, '--bundle', this.bundle, ...flags, this.id];
    const redirected = 'exec "$0" "$@" >"$OUTPUT" 2>&1 </dev/null';
    const program = join(import.meta.dirname, '../../bin/pinion');
    const output = join(this.root, '..', 'output');
    const args = ['-c', redirected, program, '--root', this.root, '--systemd-cgroup', ...words];
    const text = () => readFileSync(output, 'utf8');
    const environment = { ...env, OUTPUT: output };
    return execute('/bin/sh', args, { env: environment }).then((r) => ({ ...r, stderr: text() }));
  }

  async run(): Promise<void> {
    expect(await this.launch('run', '--detach')).toMatchObject({ status: 0, stderr: '' });
  }

  async pid(): Promise<number> {
    const { pid }: { pid: number } = JSON.parse((await this.pinion('state', this.id)).stdout);
    return pid;
  }

  /** The unit's properties, as systemctl(1) shows them. */
  async show(...names: string[]): Promise<Record<string, string>> {
    const args = ['show', this.unit, ...names.map((name) => `--property=${name}`)];
    const { stdout } = await execute('systemctl', args, { env });
    return Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2)),
    );
  }

  /** The container's group in a hierarchy. */
  group(controller: string): string {
    return join(GROUPS, isUnified ? '' : controller, BELOW, this.unit);
  }

  setting(controller: string, file: string): string {
    return readFileSync(join(this.group(controller), file), 'utf8').trim();
  }

  leftovers(): string[] {
    const hierarchies = isUnified ? [''] : readdirSync(GROUPS);
    return hierarchies.map((name) => join(GROUPS, name, BELOW, this.unit)).filter(existsSync);
  }
}

/** The host's for 77 of the container's (`oci/plan/cgroups/tasks.ts`). */
const TASKS = '478';

const limits = {
  memory: { limit: 256 << 20 },
  cpu: { shares: 512, quota: 33_333, period: 100_000, cpus: '0' },
  pids: { limit: 77 },
};

test('a container is a scope of its slice, in every hierarchy', async () => {
  const scope = new Scope();
  expect(await scope.launch('create')).toMatchObject({ status: 0, stderr: '' });
  const properties = await scope.show('ActiveState', 'Slice', 'Delegate', 'ControlGroup');
  expect(properties).toEqual({
    ActiveState: 'active',
    Slice: SLICE,
    Delegate: 'yes',
    ControlGroup: `/${BELOW}/${scope.unit}`,
  });
  const pid = await scope.pid();
  const membership = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
  for (const line of membership) expect(line).toMatch(new RegExp(`:/${BELOW}/${scope.unit}$`));
  // Nothing of the runtime's is in it any more.
  const { stdout } = await scope.pinion('ps', '--format', 'json', scope.id);
  expect(JSON.parse(stdout)).toEqual([pid]);
  expect(await scope.pinion('start', scope.id)).toMatchObject({ status: 0, stderr: '' });
  const echo = await scope.pinion('exec', scope.id, '/bin/cat', '/proc/self/cgroup');
  expect(echo).toMatchObject({ status: 0, stdout: expect.stringContaining(scope.unit) });
});

test('limits are properties and files', async () => {
  const scope = new Scope(({ linux }) => Object.assign(linux, { resources: limits }));
  await scope.run();
  const memory = isUnified ? 'MemoryMax' : 'MemoryLimit';
  const shares = isUnified ? { CPUWeight: '20' } : { CPUShares: '512' };
  const expected = {
    [memory]: `${256 << 20}`,
    ...shares,
    CPUQuotaPerSecUSec: '340ms',
    CPUQuotaPeriodUSec: '100ms',
    TasksMax: TASKS,
    AllowedCPUs: '0',
    DevicePolicy: 'strict',
  };
  expect(await scope.show(...Object.keys(expected))).toEqual(expected);
  const files = isUnified
    ? { 'memory.max': `${256 << 20}`, 'cpu.weight': '20', 'pids.max': TASKS, 'cpuset.cpus': '0' }
    : { 'memory.limit_in_bytes': `${256 << 20}`, 'cpu.shares': '512', 'pids.max': TASKS };
  for (const [file, value] of Object.entries(files)) {
    const [controller = ''] = file.split('.');
    expect([file, scope.setting(controller, file)]).toEqual([file, value]);
  }
});

test('update changes both, and systemd agrees when it reads its units again', async () => {
  const scope = new Scope(({ linux }) => Object.assign(linux, { resources: limits }));
  await scope.run();
  const flags = ['--memory', '300m', '--memory-swap', '300m', '--pids-limit', '99'];
  expect(await scope.pinion('update', ...flags, scope.id)).toMatchObject({ status: 0, stderr: '' });
  await execute('systemctl', ['daemon-reload'], { env });
  expect(await scope.show('TasksMax')).toEqual({ TasksMax: '610' });
  expect(scope.setting('pids', 'pids.max')).toBe('610');
  const file = isUnified ? 'memory.max' : 'memory.limit_in_bytes';
  expect(scope.setting('memory', file)).toBe(`${300 << 20}`);
});

test('pause and resume', async () => {
  const scope = new Scope();
  await scope.run();
  const status = async () => JSON.parse((await scope.pinion('state', scope.id)).stdout).status;
  await scope.pinion('pause', scope.id);
  expect(await status()).toBe('paused');
  await scope.pinion('resume', scope.id);
  expect(await status()).toBe('running');
});

test('annotations are properties too', async () => {
  const scope = new Scope((config) => {
    config.annotations = {
      'org.systemd.property.TimeoutStopSec': 'uint64 7',
      'org.systemd.property.CollectMode': "'inactive-or-failed'",
    };
  });
  await scope.run();
  expect(await scope.show('TimeoutStopUSec', 'CollectMode')).toEqual({
    TimeoutStopUSec: '7s',
    CollectMode: 'inactive-or-failed',
  });
});

test('the default is a scope of system.slice', async () => {
  const scope = new Scope(({ linux }) => Object.assign(linux, { cgroupsPath: '' }));
  await scope.run();
  const { stdout } = await execute('systemctl', ['is-active', `runc-${scope.id}.scope`], { env });
  expect(stdout).toBe('active\n');
  const membership = readFileSync(`/proc/${await scope.pid()}/cgroup`, 'utf8');
  expect(membership).toContain(`:/system.slice/runc-${scope.id}.scope\n`);
});

test('the scope ends with its container', async () => {
  const scope = new Scope();
  await scope.run();
  await scope.pinion('kill', scope.id, 'KILL');
  await expect.poll(async () => (await scope.show('ActiveState')).ActiveState).toBe('inactive');
  expect(await scope.pinion('delete', scope.id)).toMatchObject({ status: 0, stderr: '' });
});

test('stopping the scope stops the container', async () => {
  const scope = new Scope((config) => {
    config.process.args = ['/bin/sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1; done'];
  });
  await scope.run();
  expect(await execute('systemctl', ['stop', scope.unit], { env })).toMatchObject({ status: 0 });
  const state = async () => JSON.parse((await scope.pinion('state', scope.id)).stdout).status;
  await expect.poll(state).toBe('stopped');
});

describe('an error leaves no scope:', () => {
  test.each<[string, (config: BundleConfig) => void, string]>([
    [
      'a path of another form',
      ({ linux }) => Object.assign(linux, { cgroupsPath: '/a' }),
      'runc run failed: expected cgroupsPath to be of format "slice:prefix:name" for systemd ' +
        'cgroups, got "/a" instead',
    ],
    [
      'a property that a scope does not have',
      (config) => {
        config.annotations = { 'org.systemd.property.ExecStart': "'x'" };
      },
      'Cannot set property ExecStart, or unknown property',
    ],
    [
      'a program that is not there',
      (config) => {
        config.process.args = ['/nowhere'];
      },
      '/nowhere',
    ],
  ])('%s', async (_, edit, message) => {
    const scope = new Scope(edit);
    const { status, stderr } = await scope.launch('run', '--detach');
    expect(status).toBe(1);
    expect(stderr.replaceAll('\\"', '"')).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(scope.leftovers()).toEqual([]);
  });

  test('a name that another scope has', async () => {
    const first = new Scope();
    await first.run();
    const second = new Scope(({ linux }) => {
      linux.cgroupsPath = `${SLICE}:test:${first.id}`;
    });
    const { status, stderr } = await second.launch('run', '--detach');
    expect(status).toBe(1);
    expect(stderr).toContain("container's cgroup is not empty");
    expect(await first.show('ActiveState')).toEqual({ ActiveState: 'active' });
  });
});
