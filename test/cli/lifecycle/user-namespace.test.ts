/** Containers with a user namespace of their own. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { Container } from './container.ts';

/** Ids of the container that nobody has outside. */
function unprivileged(config: BundleConfig): void {
  const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  config.linux.namespaces.push({ type: 'user' });
  Object.assign(config.linux, { uidMappings: map, gidMappings: map });
}

async function running(edit: (config: BundleConfig, base: string) => void): Promise<Container> {
  const container = new Container({
    edit: (config, base) => {
      // The way to the root filesystem.
      chmodSync(base, 0o711);
      unprivileged(config);
      edit(config, base);
    },
  });
  chmodSync(container.bundle, 0o711);
  // Its root owns nothing in the root filesystem and can make no mount point there.
  for (const name of ['one', 'two']) mkdirSync(join(container.bundle, 'rootfs/tmp', name));
  await container.create();
  await container.start();
  return container;
}

test('exec joins it', async () => {
  const container = await running(() => {});
  expect(await container.pinion('exec', container.id, 'cat', '/proc/self/uid_map')).toMatchObject({
    status: 0,
    stdout: '         0     100000      65536\n',
    stderr: '',
  });
});

test('directories that its root may not search can be mounted', async () => {
  const container = await running((config, base) => {
    for (const name of ['one', 'two']) {
      mkdirSync(join(base, name, 'directory'), { recursive: true });
      writeFileSync(join(base, name, 'directory/file'), `${name}\n`);
      chmodSync(join(base, name), 0o700);
      const source = join(base, name, 'directory');
      const options = ['bind', 'ro'];
      config.mounts.push({ destination: `/tmp/${name}`, type: 'bind', source, options });
    }
  });
  const args = ['exec', container.id, 'cat', '/tmp/one/file', '/tmp/two/file'];
  expect(await container.pinion(...args)).toMatchObject({ status: 0, stdout: 'one\ntwo\n' });
});

test('a view of control groups leaves the cgroup namespace as it is', async () => {
  const container = await running((config) => {
    const options = ['nosuid', 'noexec', 'nodev', 'ro'];
    const destination = '/sys/fs/cgroup';
    config.mounts.push({ destination: '/sys', type: 'sysfs', source: 'sysfs', options });
    config.mounts.push({ destination, type: 'cgroup', source: 'cgroup', options });
  });
  const { pid } = await container.state();
  expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain(`/${container.id}`);
  const groups = ['cat', '/proc/self/cgroup'];
  const { stdout } = await container.pinion('exec', container.id, ...groups);
  expect(stdout).toContain(`/${container.id}\n`);
  const tasks = await container.pinion('exec', container.id, 'cat', '/sys/fs/cgroup/pids/tasks');
  expect(tasks).toMatchObject({ status: 0, stdout: expect.stringMatching(/^1\n/) });
});
