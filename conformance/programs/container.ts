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

/** The options that the config.json starts from, as far as it is changed here. */
interface Config {
  process: Record<string, unknown>;
  mounts: object[];
  linux: { resources?: object };
  [property: string]: unknown;
}

/** What a suite's containers have besides. */
interface Extra {
  /** `linux.resources`, as far as it is not the default's. */
  resources?: object;
  mounts?: readonly object[];
}

let count = 0;

/** @param runtime The runtime's path and its global flags. */
export async function runCase(
  runtime: readonly string[],
  rootfs: string,
  cases: string,
  { name, seconds }: Case,
  extra: Extra = {},
): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'pinion-conformance-'));
  const [upper, work, merged] = ['upper', 'work', 'merged'].map((part) => join(directory, part));
  for (const part of [upper, work, merged]) mkdirSync(part ?? '');
  const layers = `lowerdir=${rootfs},upperdir=${upper},workdir=${work}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, merged ?? '']);
  try {
    writeFileSync(
      join(directory, 'config.json'),
      JSON.stringify(configOf(name, merged ?? '', cases, extra)),
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

function configOf(name: string, rootfs: string, cases: string, extra: Extra): object {
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
    linux: { ...config.linux, resources: { ...config.linux.resources, ...extra.resources } },
    root: { path: rootfs, readonly: false },
    mounts: [
      ...config.mounts,
      ...(extra.mounts ?? []),
      { destination: '/cases', type: 'bind', source: cases, options: ['bind', 'ro'] },
    ],
  };
}
