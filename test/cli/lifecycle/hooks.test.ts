/** Hooks of real containers: where they run, what they are told, and what their failures do. */
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Container } from './container.ts';

/** Scripts by kind; each finds the test's files in $BASE and its own kind in $KIND. */
function withHooks(hooks: Record<string, string>, version = '1.0.2'): Container {
  return new Container({
    edit: (config, base) => {
      const env = (kind: string) => [`BASE=${base}`, `KIND=${kind}`, 'PATH=/usr/bin:/bin'];
      config.ociVersion = version;
      config.annotations = { key: 'value' };
      config.hooks = Object.fromEntries(
        Object.entries(hooks).map(([kind, script]) => [
          kind,
          [{ path: '/bin/sh', args: ['sh', '-c', script], env: env(kind) }],
        ]),
      );
    },
  });
}

/** Writes down all that a hook can see. */
const RECORD = `
  echo $KIND >> $BASE/order
  cat > $BASE/$KIND.state
  readlink /proc/self/ns/mnt > $BASE/$KIND.mnt
  pwd > $BASE/$KIND.cwd`;

const BEFORE_START = ['prestart', 'createRuntime', 'createContainer'];

const recorded = (container: Container, name: string) =>
  readFileSync(join(container.base, name), 'utf8').trimEnd();

test('run at their points, in their namespaces, with the state of that moment', async () => {
  const kinds = [...BEFORE_START, 'poststart', 'poststop'];
  const container = withHooks(Object.fromEntries(kinds.map((kind) => [kind, RECORD])));
  await container.create();
  expect(recorded(container, 'order').split('\n')).toEqual(BEFORE_START);
  const { pid } = await container.state();
  const inside = readlinkSync(`/proc/${pid}/ns/mnt`);
  const outside = readlinkSync('/proc/self/ns/mnt');
  await container.start();
  expect(recorded(container, 'order').split('\n')).toEqual([...BEFORE_START, 'poststart']);
  await container.pinion('delete', '--force', container.id);
  expect(recorded(container, 'order').split('\n')).toEqual(kinds);

  const rootfs = join(container.bundle, 'rootfs');
  const expected = [
    { kind: 'prestart', status: 'created', pid, mnt: outside, cwd: container.bundle },
    { kind: 'createRuntime', status: 'creating', pid, mnt: outside, cwd: container.bundle },
    { kind: 'createContainer', status: 'creating', pid: 1, mnt: inside, cwd: rootfs },
    { kind: 'poststart', status: 'running', pid, mnt: outside, cwd: process.cwd() },
    { kind: 'poststop', status: 'stopped', pid: undefined, mnt: outside, cwd: process.cwd() },
  ];
  for (const { kind, mnt, cwd, ...state } of expected) {
    expect([kind, recorded(container, `${kind}.mnt`)]).toEqual([kind, mnt]);
    expect([kind, recorded(container, `${kind}.cwd`)]).toEqual([kind, cwd]);
    expect(JSON.parse(recorded(container, `${kind}.state`))).toEqual({
      ociVersion: '1.3.0',
      id: container.id,
      bundle: container.bundle,
      annotations: { key: 'value' },
      ...state,
    });
  }
});

test('createRuntime finds the container by its pid: namespaces, cgroup, root', async () => {
  const script = `
    pid=$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/')
    readlink /proc/$pid/ns/net > $BASE/net
    cat /proc/$pid/cgroup > $BASE/cgroup`;
  const container = withHooks({ createRuntime: script });
  await container.create();
  const { pid } = await container.state();
  expect(recorded(container, 'net')).toBe(readlinkSync(`/proc/${pid}/ns/net`));
  expect(recorded(container, 'cgroup')).toContain(`:/${container.id}`);
});

describe('one that fails', () => {
  const FAIL = 'echo out; echo err >&2; exit 3';
  const POSTSTOP = 'touch $BASE/stopped';

  test.each(BEFORE_START)('as %s makes create fail, and poststop hooks run', async (kind) => {
    const container = withHooks({ [kind]: FAIL, poststop: POSTSTOP });
    expect(await container.launch('create')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        `error running ${kind} hook #0: exit status 3, stdout: out, stderr: err`,
      ),
    });
    expect(existsSync(join(container.base, 'stopped'))).toBe(true);
    expect(await container.leftovers()).toEqual([]);
  });

  test('as poststart is a warning for a configuration of before 1.3', async () => {
    const container = withHooks({ poststart: FAIL });
    await container.create();
    expect(await container.pinion('start', container.id)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('level=warning msg="error running poststart hook #0'),
    });
    expect(await container.state()).toMatchObject({ status: 'running' });
  });

  test('as poststart makes start fail and stops the container', async () => {
    const container = withHooks({ poststart: FAIL }, '1.3.0');
    await container.create();
    expect(await container.pinion('start', container.id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        'error running poststart hook #0: exit status 3, stdout: out, stderr: err',
      ),
    });
    expect(await container.state()).toMatchObject({ status: 'stopped' });
  });

  test('as poststop is a warning, and the others still run', async () => {
    const container = new Container({
      edit: (config, base) => {
        const scripts = ['exit 1', `touch ${base}/second`];
        const poststop = scripts.map((script) => ({ path: '/bin/sh', args: ['sh', '-c', script] }));
        config.hooks = { poststop };
      },
    });
    await container.create();
    expect(await container.pinion('delete', container.id)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(
        'level=warning msg="error running poststop hook #0: exit status 1',
      ),
    });
    expect(existsSync(join(container.base, 'second'))).toBe(true);
  });
});

test('one that takes too long is killed', async () => {
  const container = new Container({
    edit: (config) => {
      config.hooks = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '60'], timeout: 1 }] };
    },
  });
  expect(await container.launch('create')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('hook ran past specified timeout of 1.0s'),
  });
  expect(await container.leftovers()).toEqual([]);
});
