/** The bundles that every runtime runs: busybox and the programs of this folder, built statically. */

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defaultConfig } from '../oci/default-config.ts';

/** Name -> what the compiler is told besides. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  clock: [],
  compute: [],
  first: ['-nostdlib'],
  getpid: [],
  ping: ['-pthread'],
  pread: [],
  process: [],
  pwrite: [],
  started: [],
  thread: ['-pthread'],
  touch: [],
};
const APPLETS = ['sha256sum', 'sleep', 'true'];
const DATA_MIB = 256;

/** Makes one root filesystem in `directory`; `bundle` gives the path of a bundle for a command. */
export class Bundles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(this.rootfs, { recursive: true });
    for (const name of ['bin', 'dev', 'proc', 'sys', 'tmp']) {
      mkdirSync(join(this.rootfs, name), { recursive: true });
    }
    this.#installBusybox();
    for (const [name, flags] of Object.entries(PROGRAMS)) this.#compile(name, flags);
    this.#writeData();
  }

  get rootfs(): string {
    return join(this.#directory, 'rootfs');
  }

  bundle(name: string, args: readonly string[]): string {
    const bundle = join(this.#directory, name);
    mkdirSync(bundle, { recursive: true });
    const config = defaultConfig('1.0.2', undefined) as Record<string, object>;
    const json = {
      ...config,
      process: { ...config.process, terminal: false, args },
      root: { path: this.rootfs, readonly: true },
    };
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(json));
    return bundle;
  }

  #installBusybox(): void {
    const busybox = join(this.rootfs, 'bin/busybox');
    copyFileSync('/bin/busybox', busybox);
    for (const applet of APPLETS) {
      const path = join(this.rootfs, 'bin', applet);
      rmSync(path, { force: true });
      linkSync(busybox, path);
    }
  }

  #compile(name: string, flags: readonly string[]): void {
    const source = join(import.meta.dirname, 'programs', `${name}.c`);
    execFileSync('cc', [
      ...['-O2', '-static', ...flags],
      ...['-o', join(this.rootfs, 'bin', name), source],
    ]);
  }

  #writeData(): void {
    const path = join(this.rootfs, 'data');
    if (existsSync(path)) return;
    const block = Buffer.alloc(1 << 20, 'the quick brown fox jumps over the lazy dog ');
    writeFileSync(path, '');
    for (let i = 0; i < DATA_MIB; i++) writeFileSync(path, block, { flag: 'a' });
  }
}
