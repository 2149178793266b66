/** Runs a case in a container of its own: the root filesystem below an overlay, the script bound in. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultConfig } from '../../oci/default-config.ts';
import type { Case } from '../cases.ts';
import type { Outcome } from '../compare.ts';
import { execute } from '../execute.ts';

/** What docker grants by default. */
const CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
].map((name) => `CAP_${name}`);

/** Node.js and packages that Debian's are older than. */
const OF_THE_HOST = {
  '/opt/node': process.execPath,
  '/opt/node_modules': join(import.meta.dirname, '../../node_modules'),
};

/** The options that the config.json starts from, as far as it is changed here. */
interface Config {
  process: Record<string, unknown>;
  mounts: object[];
  [property: string]: unknown;
}

let count = 0;

/** @param runtime The runtime's path and its global flags. */
export async function runCase(
  runtime: readonly string[],
  rootfs: string,
  cases: string,
  { name, seconds }: Case,
): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'pinion-conformance-'));
  const [upper, work, merged] = ['upper', 'work', 'merged'].map((part) => join(directory, part));
  for (const part of [upper, work, merged]) mkdirSync(part ?? '');
  const layers = `lowerdir=${rootfs},upperdir=${upper},workdir=${work}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, merged ?? '']);
  try {
    writeFileSync(
      join(directory, 'config.json'),
      JSON.stringify(configOf(name, merged ?? '', cases)),
    );
    const id = `conformance-${process.pid}-${count++}`;
    const [program = '', ...flags] = runtime;
    const global = ['--root', join(directory, 'state'), ...flags];
    const remove = () =>
      execFileSync(program, [...global, 'delete', '--force', id], { stdio: 'ignore' });
    return await execute(
      program,
      [...global, 'run', '--bundle', directory, id],
      seconds * 1000,
      remove,
    );
  } finally {
    execFileSync('umount', [merged ?? '']);
    rmSync(directory, { recursive: true, force: true });
  }
}

function configOf(name: string, rootfs: string, cases: string): object {
  const config = defaultConfig('1.0.2', undefined) as Config;
  const capabilities = { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES };
  return {
    ...config,
    process: {
      ...config.process,
      terminal: false,
      args: ['/bin/sh', `/cases/${name}.sh`],
      env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8', 'HOME=/root', 'CASES=/cases'],
      noNewPrivileges: false,
      capabilities,
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 1024 }],
    },
    root: { path: rootfs, readonly: false },
    mounts: [
      ...config.mounts,
      ...Object.entries({ ...OF_THE_HOST, '/cases': cases }).map(([destination, source]) => ({
        destination,
        type: 'bind',
        source,
        options: ['bind', 'ro'],
      })),
    ],
  };
}
