/**
 * An ordinary user, without any group delegated to it: as runc's rootless mode. The machine's own
 * /dev/kvm may be closed to that user, so each command gets one in a mount namespace of its own.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type BundleConfig, makeBundle } from '../../bundle.ts';
import { execute, HOME, type Result, temporaryDirectory } from '../../pinion.ts';

const USER = 54321;

/** The installation may lie where only root looks: it is shown elsewhere. */
const AS_USER = `
  mount -t tmpfs -o dev,mode=755 none "$BASE/dev"
  mknod -m 600 "$BASE/dev/kvm" c 10 232
  chown ${USER}:${USER} "$BASE/dev/kvm"
  mount --bind "$BASE/dev/kvm" /dev/kvm
  mount --bind "${HOME}" "$BASE/home"
  exec setpriv --reuid ${USER} --regid ${USER} --clear-groups "$@"`;

class User {
  readonly base = temporaryDirectory();
  readonly bundle: string;
  readonly output = join(this.base, 'output');

  constructor(args: readonly string[], edit: (config: BundleConfig) => void = () => {}) {
    this.bundle = makeBundle({
      args,
      edit: (config) => {
        const namespaces = ['pid', 'ipc', 'uts', 'mount', 'user'];
        const map = [{ containerID: 0, hostID: USER, size: 1 }];
        config.linux = {
          namespaces: namespaces.map((type) => ({ type })),
          uidMappings: map,
          gidMappings: map,
        };
        edit(config);
      },
    });
    for (const name of ['dev', 'home', 'run']) mkdirSync(join(this.base, name));
    writeFileSync(this.output, '');
    for (const path of [this.base, this.bundle]) {
      execFileSync('chown', ['--recursive', `${USER}:${USER}`, path]);
    }
    chownSync(this.base, USER, USER);
    onTestFinished(async () => {
      await this.pinion('delete', '--force', 'rootless');
      expect(existsSync(join(this.base, 'run/pinion/rootless'))).toBe(false);
    });
  }

  /** Runs a command as the user, its state where it is by default. */
  pinion(...args: string[]): Promise<Result> {
    return this.execute(join(this.base, 'home/bin/pinion'), ...args);
  }

  execute(...command: string[]): Promise<Result> {
    const env = {
      PATH: process.env.PATH,
      BASE: this.base,
      XDG_RUNTIME_DIR: join(this.base, 'run'),
    };
    const line = ['--mount', '--propagation', 'private', 'sh', '-ec', AS_USER, 'sh', ...command];
    return execute('unshare', line, { cwd: this.bundle, env });
  }

  /** Creates it, its streams a file, and starts it. */
  async start(): Promise<void> {
    const script = `exec "$BASE/home/bin/pinion" create rootless >"$BASE/output" 2>&1`;
    const { status } = await this.execute('sh', '-c', script);
    expect(readFileSync(this.output, 'utf8')).toBe('');
    expect(status).toBe(0);
    expect(await this.pinion('start', 'rootless')).toMatchObject({ status: 0, stderr: '' });
  }
}

test('run', async () => {
  const script = 'id -u; cat /proc/self/uid_map; echo x >/file && ls -ln /file; exit 3';
  const { status, stdout, stderr } = await new User(['/bin/sh', '-c', script]).pinion(
    'run',
    'rootless',
  );
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^0\n +0 +54321 +1\n-rw-r--r-- +1 0 +0 .*\/file\n$/);
  expect(status).toBe(3);
});

test('create, start, state, exec, kill, delete', async () => {
  const user = new User(['/bin/sleep', '60']);
  await user.start();
  expect(JSON.parse((await user.pinion('state', 'rootless')).stdout)).toMatchObject({
    status: 'running',
  });
  expect((await user.pinion('list')).stdout).toMatch(/rootless .* running /);
  const exec = await user.pinion('exec', 'rootless', '/bin/sh', '-c', 'id -u; ls /proc; exit 4');
  expect(exec).toMatchObject({ status: 4, stdout: expect.stringMatching(/^0\n1\n/), stderr: '' });
  for (const command of ['pause', 'ps']) {
    expect(await user.pinion(command, 'rootless')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('cgroups not configured for container'),
    });
  }
  expect(await user.pinion('kill', 'rootless', 'KILL')).toMatchObject({ status: 0, stderr: '' });
  await expect
    .poll(async () => (await user.pinion('state', 'rootless')).stdout)
    .toContain('"status": "stopped"');
  expect(await user.pinion('delete', 'rootless')).toMatchObject({ status: 0, stderr: '' });
});

test('limits and groups that it may not have are refused', async () => {
  const limited = new User(['/bin/true'], (config) => {
    config.linux.resources = { memory: { limit: 1 << 26 } };
  });
  expect(await limited.pinion('run', 'rootless')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(
      'cannot set memory limit: container could not join or create cgroup',
    ),
  });
  const placed = new User(['/bin/true'], (config) => {
    config.linux.cgroupsPath = '/rootless';
  });
  expect(await placed.pinion('run', 'rootless')).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/mkdir .*: permission denied/),
  });
});

test('root of a user namespace, as of an engine without root', async () => {
  const user = new User(['/bin/id', '-u'], (config) => {
    config.linux = { namespaces: ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })) };
  });
  const pinion = join(user.base, 'home/bin/pinion');
  expect(
    await user.execute(
      'unshare',
      '--user',
      '--map-root-user',
      '--mount',
      pinion,
      'run',
      'rootless',
    ),
  ).toMatchObject({ status: 0, stdout: '0\n', stderr: '' });
});
