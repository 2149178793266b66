/** Bundles for tests: Debian's static busybox in a root filesystem, and a config.json. */

import { copyFileSync, linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './pinion.ts';

export const BUSYBOX = '/bin/busybox';

const APPLETS = ['cat', 'echo', 'env', 'false', 'id', 'ls', 'sh', 'sleep', 'true'];

const DIRECTORIES = ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'];

/** What a bundle can be told; anything else goes through `edit`. */
export interface BundleOptions {
  /** The program and its arguments. */
  args: readonly string[];
  env?: readonly string[];
  cwd?: string;
  /** Changes the config.json that the bundle gets. */
  edit?: (config: BundleConfig) => void;
}

/** The parts of config.json that a test bundle has. */
export interface BundleConfig {
  ociVersion: string;
  process: Record<string, unknown> & { args: string[]; env: string[]; cwd: string };
  root: { path: string; readonly?: boolean };
  hostname?: string;
  mounts: { destination: string; type: string; source: string; options?: string[] }[];
  linux: Record<string, unknown> & { namespaces: { type: string; path?: string }[] };
  hooks?: Record<string, unknown>;
  annotations?: Record<string, string>;
  [property: string]: unknown;
}

/** Makes a bundle in a temporary directory and returns its path. */
export function makeBundle(options: BundleOptions): string {
  const bundle = temporaryDirectory();
  makeRootfs(join(bundle, 'rootfs'));
  const config = testConfig(options);
  options.edit?.(config);
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config, undefined, 2));
  return bundle;
}

/** A root filesystem whose programs are one file with many names. */
function makeRootfs(rootfs: string): void {
  for (const directory of DIRECTORIES) mkdirSync(join(rootfs, directory), { recursive: true });
  const busybox = join(rootfs, 'bin/busybox');
  copyFileSync(BUSYBOX, busybox);
  for (const applet of APPLETS) linkSync(busybox, join(rootfs, 'bin', applet));
  writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(rootfs, 'etc/group'), 'root:x:0:\n');
}

function testConfig({ args, env, cwd = '/' }: BundleOptions): BundleConfig {
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: [...args],
      env: [...(env ?? ['PATH=/bin'])],
      cwd,
      noNewPrivileges: true,
    },
    root: { path: 'rootfs' },
    hostname: 'pinion',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      {
        destination: '/dev',
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
      },
    ],
    linux: {
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
    },
  };
}
