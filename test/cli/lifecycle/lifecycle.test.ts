/** create, start, state, kill, delete and list of real containers. */
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { identify } from '../../../oci/state/process.ts';
import { PINION } from '../../pinion.ts';
import { Container } from './container.ts';

describe('create', () => {
  test('leaves an init that waits, in namespaces and cgroups of its own', async () => {
    const container = new Container();
    const pidFile = join(container.base, 'init.pid');
    await container.create('--pid-file', pidFile);
    const state = await container.state();
    expect(state).toMatchObject({
      id: container.id,
      status: 'created',
      bundle: container.bundle,
      rootfs: join(container.bundle, 'rootfs'),
      owner: '',
    });
    expect(Object.keys(state)).not.toContain('annotations');
    expect(readFileSync(pidFile, 'utf8')).toBe(String(state.pid));
    expect(readdirSync(container.base)).not.toContain('.init.pid');
    for (const namespace of ['pid', 'mnt', 'uts', 'ipc', 'net']) {
      const path = `ns/${namespace}`;
      expect(readlinkSync(`/proc/${state.pid}/${path}`)).not.toBe(
        readlinkSync(`/proc/self/${path}`),
      );
    }
    expect(readFileSync(`/proc/${state.pid}/cgroup`, 'utf8')).toContain(`:/${container.id}\n`);
  });

  test('leaves the init to whoever reaps orphans, with no process between', async () => {
    const container = new Container();
    await container.create();
    const { pid } = await container.state();
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    expect(readFileSync(`/proc/${parent}/cmdline`, 'utf8')).not.toContain('pinion-vmm');
  });

  test('an id is taken once', async () => {
    const container = new Container();
    await container.create();
    const { pid } = await container.state();
    expect(await container.launch('create')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('runc create failed: container with given ID already exists'),
    });
    expect(await container.state()).toMatchObject({ pid, status: 'created' });
  });

  test('of several at once one wins, and the others leave nothing', async () => {
    const container = new Container();
    const results = await Promise.all([1, 2, 3, 4].map(() => container.launch('create')));
    expect(results.map(({ status }) => status).sort()).toEqual([0, 1, 1, 1]);
    expect(await container.state()).toMatchObject({ status: 'created' });
  });

  test('passes no descriptor on but those asked for', async () => {
    const container = new Container();
    const fds = [1, 2, 3].map(() => openSync('/etc/hostname', 'r'));
    const args = ['create', '--bundle', container.bundle, '--preserve-fds', '2', container.id];
    const result = await container.end(container.spawn(args, fds));
    fds.forEach(closeSync);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    expect(await passedFds(container)).toEqual(['3', '4']);
  });

  test('refuses a missing descriptor by name', async () => {
    const container = new Container();
    expect(await container.launch('create', '--preserve-fds', '2')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('unable to stat preserved-fd 0 (of 2)'),
    });
    expect(await container.leftovers()).toEqual([]);
  });

  test('passes the sockets of a service manager on, if it is meant', async () => {
    const container = new Container();
    const fd = openSync('/etc/hostname', 'r');
    const create = `${PINION} --root ${container.root} create --bundle ${container.bundle}`;
    const script = `LISTEN_FDS=1 LISTEN_PID=$$ exec ${create} --preserve-fds 1 ${container.id}`;
    const shell = spawn('/bin/sh', ['-c', script], {
      env: {},
      stdio: ['ignore', 1, 2, fd, fd, fd],
    });
    closeSync(fd);
    expect(await container.end(shell)).toMatchObject({ status: 0 });
    expect(await passedFds(container)).toEqual(['3', '4']);
  });

  test('a pid-file that cannot be written is an error, and leaves nothing', async () => {
    const container = new Container();
    const path = join(container.base, 'no', 'pid');
    expect(await container.launch('create', '--pid-file', path)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`open ${container.base}/no/.pid: no such file or directory`),
    });
    expect(await container.leftovers()).toEqual([]);
  });

  test('refuses the control group of another container, and does it no harm', async () => {
    const container = new Container();
    await container.create();
    const other = new Container({
      edit: (config) => {
        config.linux.cgroupsPath = `/${container.id}`;
      },
    });
    expect(await other.launch('create')).toMatchObject({
      status: 1,
      // In cgroup v2 a kernel thread that KVM makes for each machine is in the group too.
      stderr: expect.stringMatching(/container's cgroup is not empty: [12] process\(es\) found/),
    });
    expect(await other.leftovers()).toEqual([]);
    expect(await container.state()).toMatchObject({ status: 'created' });
  });

  test('refuses a console socket without a terminal', async () => {
    const container = new Container();
    expect(await container.launch('create', '--console-socket', '/nowhere')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        'cannot use console socket if runc will not detach or allocate tty',
      ),
    });
    expect(await container.leftovers()).toEqual([]);
  });
});

/** The init's descriptors of /etc/hostname, which the tests pass. */
async function passedFds(container: Container): Promise<string[]> {
  const { pid } = await container.state();
  return readdirSync(`/proc/${pid}/fd`)
    .filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === '/etc/hostname')
    .sort();
}

describe('start', () => {
  test('runs the program, once', async () => {
    const container = new Container();
    await container.create();
    await container.start();
    expect(await container.state()).toMatchObject({ status: 'running' });
    expect(await container.pinion('start', container.id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('cannot start an already running container'),
    });
  });

  test('of several at once one wins', async () => {
    const container = new Container();
    await container.create();
    const starts = [1, 2, 3].map(() => container.pinion('start', container.id));
    const results = await Promise.all(starts);
    expect(results.map(({ status }) => status).sort()).toEqual([0, 1, 1]);
    expect(await container.state()).toMatchObject({ status: 'running' });
  });

  test('the program has the streams of create, and ends in state stopped', async () => {
    const container = new Container({ args: ['/bin/echo', 'hello'] });
    await container.create();
    await container.start();
    await expect.poll(async () => (await container.state()).status).toBe('stopped');
    expect(readFileSync(container.stdout, 'utf8')).toBe('hello\n');
    expect(await container.state()).toMatchObject({ pid: 0 });
    expect(await container.pinion('start', container.id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('cannot start a container that has stopped'),
    });
  });

  test('config.json is read by create alone', async () => {
    const container = new Container({ args: ['/bin/echo', 'as created'] });
    await container.create();
    writeFileSync(join(container.bundle, 'config.json'), '{}');
    await container.start();
    await expect.poll(() => readFileSync(container.stdout, 'utf8')).toBe('as created\n');
  });
});

describe('kill', () => {
  test('ends a created container', async () => {
    const container = new Container();
    await container.create();
    expect(await container.pinion('kill', container.id, 'KILL')).toMatchObject({ status: 0 });
    await expect.poll(async () => (await container.state()).status).toBe('stopped');
  });

  test('ends a running container; a stopped one is not running, unless all are meant', async () => {
    const container = new Container();
    await container.create();
    await container.start();
    const { pid } = await container.state();
    expect(await container.pinion('kill', container.id, '0')).toMatchObject({ status: 0 });
    expect(await container.pinion('kill', container.id, '9')).toMatchObject({ status: 0 });
    await expect.poll(() => identify(pid)).toBeUndefined();
    expect(await container.pinion('kill', container.id, 'KILL')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('container not running'),
    });
    expect(await container.pinion('kill', '--all', container.id, 'KILL')).toMatchObject({
      status: 0,
      stderr: '',
    });
  });

  test('reaches the init alone, or every process when all are meant', async () => {
    const container = new Container();
    await container.create();
    const added = await container.addProcess();
    await container.pinion('kill', container.id, 'KILL');
    expect(identify(added)).toBeDefined();
    await container.pinion('kill', '--all', container.id, 'TERM');
    await expect.poll(() => identify(added)).toBeUndefined();
  });

  test('SIGKILL reaches every process of a container that shares its pid namespace', async () => {
    const container = new Container({
      edit: ({ linux }) => {
        linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid');
      },
    });
    await container.create();
    const added = await container.addProcess();
    expect(await container.pinion('kill', container.id, 'KILL')).toMatchObject({ status: 0 });
    await expect.poll(() => identify(added)).toBeUndefined();
  });

  test('knows signals by name', async () => {
    const container = new Container();
    await container.create();
    expect(await container.pinion('kill', container.id, 'nosuch')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('unknown signal \\"nosuch\\"'),
    });
  });
});

describe('delete', () => {
  test('takes a created and a stopped container, but not a running one', async () => {
    const container = new Container();
    await container.create();
    expect(await container.pinion('delete', container.id)).toMatchObject({ status: 0, stderr: '' });
    expect(await container.leftovers()).toEqual([]);
    await container.create();
    await container.start();
    expect(await container.pinion('delete', container.id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        `cannot delete container ${container.id} that is not stopped: running`,
      ),
    });
    await container.pinion('kill', container.id, 'KILL');
    await expect.poll(async () => (await container.state()).status).toBe('stopped');
    expect(await container.pinion('delete', container.id)).toMatchObject({ status: 0, stderr: '' });
    expect(await container.pinion('delete', container.id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('container does not exist'),
    });
  });

  test('--force takes a running one', async () => {
    const container = new Container();
    await container.create();
    await container.start();
    expect(await container.pinion('delete', '--force', container.id)).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(await container.leftovers()).toEqual([]);
  });

  test('several at once all end well with --force', async () => {
    const container = new Container();
    await container.create();
    await container.start();
    const deletes = [1, 2, 3].map(() => container.pinion('delete', '--force', container.id));
    for (const result of await Promise.all(deletes)) {
      expect(result).toMatchObject({ status: 0, stderr: '' });
    }
    expect(await container.leftovers()).toEqual([]);
  });
});

/** Freezes the container's processes, as an engine's pause does. */
function freeze({ id }: Container): void {
  const version1 = `/sys/fs/cgroup/freezer/${id}/freezer.state`;
  if (existsSync(version1)) writeFileSync(version1, 'FROZEN');
  else writeFileSync(`/sys/fs/cgroup/${id}/cgroup.freeze`, '1');
}

describe('a frozen container', () => {
  test('is paused: not to be started or deleted, but to be killed', async () => {
    const container = new Container();
    await container.create();
    freeze(container);
    expect(await container.state()).toMatchObject({ status: 'paused' });
    expect(await container.pinion('start', container.id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('cannot start a container in the paused state'),
    });
    expect(await container.pinion('delete', container.id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('that is not stopped: paused'),
    });
    expect(await container.pinion('kill', container.id, 'KILL')).toMatchObject({ status: 0 });
    await expect.poll(async () => (await container.state()).status).toBe('stopped');
  });

  test.each([
    ['kill', '--all'],
    ['delete', '--force'],
  ])('%s %s ends all of its processes', async (command, flag) => {
    const container = new Container();
    await container.create();
    const added = await container.addProcess();
    freeze(container);
    const signal = command === 'kill' ? ['KILL'] : [];
    expect(await container.pinion(command, flag, container.id, ...signal)).toMatchObject({
      status: 0,
      stderr: '',
    });
    await expect.poll(() => identify(added)).toBeUndefined();
  });
});

test('list has every container, with its owner', async () => {
  const container = new Container({
    edit: (config) => {
      config.annotations = { key: 'value' };
    },
  });
  await container.create();
  const { stdout } = await container.pinion('list', '--format', 'json');
  const state = await container.state();
  expect(JSON.parse(stdout)).toEqual([{ ...state, owner: 'root' }]);
  expect(state.annotations).toEqual({ key: 'value' });
});

test('state and kill answer while the container is started and deleted', async () => {
  const container = new Container();
  await container.create();
  const polls = [1, 2, 3, 4].map(() => container.pinion('state', container.id));
  await Promise.all([container.pinion('start', container.id), ...polls]);
  const [deleted] = await Promise.all([
    container.pinion('delete', '--force', container.id),
    container.pinion('kill', container.id, 'KILL'),
    container.pinion('state', container.id),
  ]);
  expect(deleted).toMatchObject({ status: 0, stderr: '' });
  expect(await container.leftovers()).toEqual([]);
});

test('a container without a process can be created, and not started', async () => {
  const container = new Container({
    edit: (config) => {
      Reflect.deleteProperty(config, 'process');
    },
  });
  await container.create();
  expect(await container.state()).toMatchObject({ status: 'created' });
  const { status, stderr } = await container.pinion('start', container.id);
  expect(status).toBe(1);
  expect(stderr).toContain('process property must not be empty');
  await expect.poll(async () => (await container.state()).status).toBe('stopped');
});
