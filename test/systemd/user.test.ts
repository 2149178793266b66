/** The systemd cgroup driver of an ordinary user, whose manager is their own: user@.service. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { makeBundle } from '../bundle.ts';
import { execute, HOME, type Result, temporaryDirectory } from '../pinion.ts';

const isUnified = existsSync('/sys/fs/cgroup/cgroup.controllers');

/** Debian's nobody: a manager needs a user with a name. */
const USER = 65534;
const ID = 'systemd-user';
const UNIT = `test-${ID}.scope`;

/**
 * From a unit of the user's manager: from elsewhere they may move no process there (cgroups(7), delegation
 * containment). The machine's own /dev/kvm may be closed to the user, and the installation lie where only
 * root looks.
 */
const AS_USER = `
  mount -t tmpfs -o dev,mode=755 none "$BASE/dev"
  mknod -m 666 "$BASE/dev/kvm" c 10 232
  mount --bind "$BASE/dev/kvm" /dev/kvm
  mount --bind "${HOME}" "$BASE/home"
  exec setpriv --reuid ${USER} --regid ${USER} --clear-groups systemd-run --user --scope --quiet "$@"`;

class User {
  readonly base = temporaryDirectory();
  readonly #bundle: string;

  constructor() {
    this.#bundle = makeBundle({
      args: ['/bin/sleep', '60'],
      edit: (config) => {
        const map = [{ containerID: 0, hostID: USER, size: 1 }];
        config.linux = {
          cgroupsPath: `user.slice:test:${ID}`,
          namespaces: ['pid', 'ipc', 'uts', 'mount', 'user'].map((type) => ({ type })),
          uidMappings: map,
          gidMappings: map,
          resources: { memory: { limit: 128 << 20 }, pids: { limit: 50 } },
        };
      },
    });
    for (const name of ['dev', 'home']) mkdirSync(join(this.base, name));
    for (const path of [this.base, this.#bundle]) {
      execFileSync('chown', ['--recursive', `${USER}:${USER}`, path]);
    }
  }

  execute(...command: string[]): Promise<Result> {
    const env = {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      BASE: this.base,
      XDG_RUNTIME_DIR: `/run/user/${USER}`,
    };
    const line = ['--mount', '--propagation', 'private', 'sh', '-ec', AS_USER, 'sh', ...command];
    return execute('unshare', line, { cwd: this.#bundle, env });
  }

  pinion(...args: string[]): Promise<Result> {
    return this.execute(join(this.base, 'home/bin/pinion'), ...args);
  }

  /** Its output as standard error: nothing reads the container's streams. */
  async run(): Promise<Result> {
    const script = `exec "$BASE/home/bin/pinion" --systemd-cgroup run -d ${ID} >"$BASE/output" 2>&1`;
    const result = await this.execute('sh', '-c', script);
    return { ...result, stderr: readFileSync(join(this.base, 'output'), 'utf8') };
  }

  async show(property: string): Promise<string> {
    const result = await this.execute('systemctl', '--user', 'show', UNIT, '-P', property);
    return result.stdout.trim();
  }
}

beforeAll(() => {
  execFileSync('systemctl', ['start', `user@${USER}.service`]);
});

if (isUnified) test('a container is a scope of their manager', expectScope);
else test('their groups have no controllers in version 1', expectRefusal);

async function expectScope(): Promise<void> {
  const user = new User();
  onTestFinished(async () => {
    await user.pinion('delete', '--force', ID);
    await expect.poll(() => user.show('LoadState')).toBe('not-found');
  });
  expect(await user.run()).toMatchObject({ status: 0, stderr: '' });
  expect(await user.show('ActiveState')).toBe('active');
  expect(await user.show('MemoryMax')).toBe(String(128 << 20));
  expect(await user.show('TasksMax')).toBe('316');
  const { pid }: { pid: number } = JSON.parse((await user.pinion('state', ID)).stdout);
  const group = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  expect(group).toMatch(new RegExp(`/user@${USER}\\.service/user\\.slice/${UNIT}$`, 'm'));
  const updated = await user.pinion('update', '--pids-limit', '60', ID);
  expect(updated).toMatchObject({ status: 0, stderr: '' });
  expect(await user.show('TasksMax')).toBe('376');
}

async function expectRefusal(): Promise<void> {
  const { status, stderr } = await new User().run();
  expect(status).toBe(1);
  expect(stderr).toContain('cannot use rootless systemd cgroups manager on cgroup v1');
}
