/** startContainer hooks: programs of the image, run as guests when the container is started. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { Container } from './container.ts';

type Hook = Record<string, unknown>;

/** A hook of the image's shell, which has no need of other processes. */
const shell = (script: string, more: Hook = {}): Hook => ({
  path: '/bin/sh',
  args: ['sh', '-c', script],
  ...more,
});

function withHooks(...startContainer: Hook[]): Container {
  return new Container({
    args: ['/bin/sh', '-c', 'echo program >> /tmp/order'],
    edit: (config) => {
      config.annotations = { key: 'value' };
      config.process.cwd = '/etc';
      config.hooks = { startContainer };
    },
  });
}

/** A file of the image. */
const inside = (container: Container, name: string) =>
  readFileSync(join(container.bundle, 'rootfs', name), 'utf8');

test('run in order, in the container, when it is started', async () => {
  const container = withHooks(
    shell('echo first >> /tmp/order; read -r state; echo "$state" > /tmp/state'),
    {
      path: '/bin/sh',
      args: ['sh', '-c', 'echo second >> /tmp/order; echo "$0 $1" > /tmp/arguments', 'a', 'b'],
    },
    shell('pwd > /tmp/cwd; set > /tmp/set', { env: ['KEY=value'] }),
  );
  await container.create();
  expect(existsSync(join(container.bundle, 'rootfs/tmp/order'))).toBe(false);
  await container.start();
  await expect.poll(async () => (await container.state()).status).toBe('stopped');
  expect(inside(container, 'tmp/order')).toBe('first\nsecond\nprogram\n');
  expect(JSON.parse(inside(container, 'tmp/state'))).toEqual({
    ociVersion: '1.3.0',
    id: container.id,
    status: 'created',
    pid: 1,
    bundle: container.bundle,
    annotations: { key: 'value' },
  });
  expect(inside(container, 'tmp/arguments')).toBe('a b\n');
  expect(inside(container, 'tmp/cwd')).toBe('/etc\n');
  const set = inside(container, 'tmp/set').split('\n');
  expect(set).toContain("KEY='value'");
  expect(set).not.toContainEqual(expect.stringMatching(/^HOME=/));
});

test('each is a microVM of its own', async () => {
  const container = withHooks({ path: '/bin/sleep', args: ['sleep', '20'] });
  await container.create();
  const { pid } = await container.state();
  const machines = (of: number | string) =>
    readdirSync(`/proc/${of}/fd`).filter((fd) =>
      readlinkSync(`/proc/${of}/fd/${fd}`).includes('kvm-vm'),
    );
  const starting = container.pinion('start', container.id);
  const hook = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  await expect.poll(() => hook() !== '' && machines(hook()).length).toBe(1);
  expect(readlinkSync(`/proc/${hook()}/exe`)).toBe(readlinkSync(`/proc/${pid}/exe`));
  const descriptors = readdirSync(`/proc/${hook()}/fd`).map(Number);
  expect(descriptors.filter((fd) => fd < 900).toSorted()).toEqual([0, 1, 2]);
  process.kill(pid, 'SIGKILL');
  expect(await starting).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('container process is already dead'),
  });
  expect(await container.state()).toMatchObject({ status: 'stopped' });
});

test('the state may be longer than a pipe holds, and need not be read', async () => {
  const container = new Container({
    edit: (config) => {
      config.annotations = { long: 'x'.repeat(300_000) };
      config.hooks = {
        startContainer: [
          { path: '/bin/true' },
          { path: '/bin/cat' },
          { path: '/bin/cat', args: ['cat', '-', '/nosuch'] },
        ],
      };
    },
  });
  await container.create();
  const { stderr } = await container.pinion('start', container.id);
  expect(stderr).toContain('error running startContainer hook #2: exit status 1');
  expect(stderr).toContain("cat: can't open '/nosuch'");
  // Of the output, as much as is kept.
  expect(/stdout: (.*), stderr:/.exec(stderr)?.[1]?.replaceAll('\\"', '"')).toHaveLength(65_536);
});

describe('run', () => {
  const start = async (edit: (config: BundleConfig) => void) => {
    const container = new Container({
      args: ['/bin/echo', 'program'],
      edit: (config) => {
        config.hooks = { startContainer: [{ path: '/bin/true' }] };
        edit(config);
      },
    });
    return await container.launch('run');
  };

  test('as the user, in the pid namespace of others', async () => {
    const result = await start((config) => {
      const { namespaces } = config.linux;
      config.linux.namespaces = namespaces.filter(({ type }) => type !== 'pid');
      config.process.user = { uid: 1000, gid: 1000 };
    });
    expect(result).toMatchObject({ status: 0, stdout: 'program\n', stderr: '' });
  });

  test('in a user namespace', async () => {
    const result = await start(({ linux }) => {
      linux.namespaces.push({ type: 'user' });
      linux.uidMappings = [{ containerID: 0, hostID: 0, size: 1000 }];
      linux.gidMappings = [{ containerID: 0, hostID: 0, size: 1000 }];
    });
    expect(result).toMatchObject({ status: 0, stdout: 'program\n', stderr: '' });
  });
});

describe('one that fails', () => {
  const FAILURES: [string, Hook, string][] = [
    [
      'by its status',
      shell('echo out; echo err >&2; exit 3'),
      'exit status 3, stdout: out, stderr: err',
    ],
    ['by a signal', shell('echo out; kill -9 $$'), 'signal: killed, stdout: out, stderr:'],
    [
      'by its time',
      { path: '/bin/sleep', args: ['sleep', '60'], timeout: 1 },
      'hook ran past specified timeout of 1.0s',
    ],
    [
      'by being absent',
      { path: '/nosuch' },
      'fork/exec /nosuch: no such file or directory, stdout: , stderr:',
    ],
    [
      'by being no program',
      { path: '/etc/passwd' },
      'fork/exec /etc/passwd: permission denied, stdout: , stderr:',
    ],
  ];

  test.each(FAILURES)('%s stops the container', async (_, hook, text) => {
    const container = withHooks({ path: '/bin/true' }, hook, shell('echo third >> /tmp/order'));
    await container.create();
    const { status, stderr } = await container.pinion('start', container.id);
    expect(status).toBe(1);
    expect(stderr).toContain(`msg="error running startContainer hook #1: ${text}"`);
    expect(await container.state()).toMatchObject({ status: 'stopped' });
    expect(existsSync(join(container.bundle, 'rootfs/tmp/order'))).toBe(false);
    expect(readFileSync(container.stderr, 'utf8')).toBe('');
  });

  test('makes run fail and leaves nothing', async () => {
    const container = withHooks(shell('exit 4'));
    expect(await container.launch('run')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('error running startContainer hook #0: exit status 4'),
    });
    expect(await container.leftovers()).toEqual([]);
  });
});

test('kill -9 of start while a hook runs stops the container', async () => {
  const container = withHooks(shell('echo > /tmp/begun'), {
    path: '/bin/sleep',
    args: ['sleep', '1'],
  });
  await container.create();
  const command = container.spawn(['start', container.id]);
  const ended = container.end(command);
  await expect.poll(() => existsSync(join(container.bundle, 'rootfs/tmp/begun'))).toBe(true);
  command.kill('SIGKILL');
  await ended;
  await expect
    .poll(async () => (await container.state()).status, { timeout: 5000 })
    .toBe('stopped');
  expect(existsSync(join(container.bundle, 'rootfs/tmp/order'))).toBe(false);
});
