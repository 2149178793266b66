/** The bundles of the cases. All containers of a case share one, whose root filesystem is read-only. */
import { copyFileSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultConfig } from '../../oci/default-config.ts';
import { DIRECTORY } from '../compare.ts';
import { makeRootfs } from '../programs/rootfs.ts';

const BUNDLES = join(DIRECTORY, 'scale');

function bundle(name: string, rootfs: string, args: readonly string[]): string {
  const directory = join(BUNDLES, name);
  mkdirSync(directory, { recursive: true });
  const config = defaultConfig('1.0.2', undefined) as { process: object; mounts: object[] };
  const document = {
    ...config,
    process: { ...config.process, terminal: false, args },
    mounts: [...config.mounts, { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' }],
    root: { path: rootfs, readonly: true },
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(document));
  return directory;
}

/** Debian's static busybox, and nothing else. */
export function busybox(...args: string[]): string {
  const rootfs = join(BUNDLES, 'busybox');
  rmSync(rootfs, { recursive: true, force: true });
  for (const name of ['bin', 'dev', 'proc', 'sys', 'tmp']) {
    mkdirSync(join(rootfs, name), { recursive: true });
  }
  const program = join(rootfs, 'bin/busybox');
  copyFileSync('/bin/busybox', program);
  for (const name of ['echo', 'sleep', 'true']) linkSync(program, join(rootfs, 'bin', name));
  return bundle(`busybox-${args.join('-').replaceAll('/', '')}`, rootfs, args);
}

/** Debian's redis, which keeps nothing on disk. */
export function redis(): string {
  const rootfs = makeRootfs(DIRECTORY, ['redis-server']);
  const options = ['--save', '', '--dir', '/tmp', '--loglevel', 'warning'];
  return bundle('redis', rootfs, ['/usr/bin/redis-server', ...options]);
}
