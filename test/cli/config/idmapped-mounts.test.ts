/** Bind mounts whose files have other owners in the container. */
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { Container } from '../lifecycle/container.ts';

/** What `ls -n` of the mount shows: owner, group and name of each file. */
async function listed(edit: (config: BundleConfig, base: string) => void) {
  const args = ['/bin/sh', '-c', 'echo >/mnt/new && ls -ln /mnt'];
  const container = new Container({
    args,
    edit: (config, base) => {
      chmodSync(base, 0o711);
      mkdirSync(join(base, 'source'));
      chownSync(join(base, 'source'), 1000, 1000);
      writeFileSync(join(base, 'source/old'), '');
      chownSync(join(base, 'source/old'), 1000, 1001);
      edit(config, base);
    },
  });
  chmodSync(container.bundle, 0o711);
  mkdirSync(join(container.bundle, 'rootfs/mnt'));
  const { stdout, stderr, status } = await container.launch('run');
  const files = stdout.split('\n').filter((line) => line.startsWith('-'));
  return {
    status,
    stderr,
    files: files.map((line) => line.split(/ +/)).map((words) => [2, 3, 8].map((i) => words[i])),
    source: join(container.base, 'source'),
  };
}

const ids = (containerID: number, hostID: number, size = 1) => ({ containerID, hostID, size });

/** config.json's, of which the definitions of tests know no more than other mounts have. */
const mount = (config: BundleConfig, source: string, properties: object) =>
  config.mounts.push({ destination: '/mnt', type: 'bind', source, ...properties });

test('a mount with mappings of its own', async () => {
  const { files, source, ...rest } = await listed((config, base) =>
    mount(config, join(base, 'source'), {
      options: ['rbind'],
      uidMappings: [ids(1000, 0)],
      gidMappings: [ids(1000, 0), ids(1001, 7)],
    }),
  );
  expect(rest).toEqual({ status: 0, stderr: '' });
  expect(files).toEqual([
    ['0', '0', 'new'],
    ['0', '7', 'old'],
  ]);
  const { uid, gid } = statSync(join(source, 'new'));
  expect([uid, gid]).toEqual([1000, 1000]);
});

test('by an option alone it has those of the container', async () => {
  const { files, source, ...rest } = await listed((config, base) => {
    config.linux.namespaces.push({ type: 'user' });
    const map = [ids(0, 100_000, 65_536)];
    Object.assign(config.linux, { uidMappings: map, gidMappings: map });
    chownSync(join(base, 'source'), 0, 0);
    mount(config, join(base, 'source'), { options: ['rbind', 'ridmap'] });
  });
  expect(rest).toEqual({ status: 0, stderr: '' });
  expect(files).toEqual([
    ['0', '0', 'new'],
    ['1000', '1001', 'old'],
  ]);
  expect(statSync(join(source, 'new')).uid).toBe(0);
});

test('a file system that has none says so', async () => {
  const { status, stderr } = await listed((config) =>
    mount(config, '/sys', {
      options: ['bind'],
      uidMappings: [ids(0, 1)],
      gidMappings: [ids(0, 1)],
    }),
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/failed to set MOUNT_ATTR_IDMAP on \/sys: invalid argument \(maybe/);
});
