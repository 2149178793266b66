/** The runtimes that are compared, and running a program once under one of them. */

import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';

const HOME = join(import.meta.dirname, '..');

/** Where Debian puts OCI runtimes. */
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

export interface Runtime {
  name: string;
  /** Absolute path of the runtime; undefined for the program on the host, in a chroot. */
  path: string | undefined;
}

export const NATIVE: Runtime = { name: 'native', path: undefined };

/** Pinion, then those of its peers that are installed. */
export function findRuntimes(): Runtime[] {
  const peers = ['runc', 'crun'].flatMap((name) => {
    const path = FOLDERS.map((folder) => join(folder, name)).find(isExecutable);
    return path === undefined ? [] : [{ name, path }];
  });
  return [{ name: 'pinion', path: join(HOME, 'bin/pinion') }, ...peers];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** One program to run: by a runtime from its bundle, natively by its arguments in the rootfs. */
export interface Workload {
  bundle: string;
  rootfs: string;
  args: readonly string[];
}

export interface Scratch {
  /** A folder for state directories and results. */
  directory: string;
}

export function commandOf(
  runtime: Runtime,
  work: Workload,
  { directory }: Scratch,
  counters: boolean,
): string[] {
  if (runtime.path === undefined) return ['/usr/sbin/chroot', work.rootfs, ...work.args];
  const root = join(directory, `state-${runtime.name}`);
  // The monitor prints its counters.
  const debug = runtime.name === 'pinion' && counters ? ['--debug'] : [];
  const id = `bench-${process.pid}`;
  return [runtime.path, '--root', root, ...debug, 'run', '--bundle', work.bundle, id];
}

export interface Output {
  stdout: string;
  stderr: string;
  seconds: number;
}

/** Runs a command once; returns what it printed. Throws unless its status is 0. */
export function output(command: readonly string[]): Output {
  const [program = '', ...args] = command;
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status !== 0) throw new Error(`status ${status}: ${stderr.trim().split('\n').at(-1)}`);
  return { stdout, stderr, seconds: (performance.now() - start) / 1000 };
}

/** Runs a command once; returns its wall time in ms, as hyperfine sees it without a shell. */
export function wallTime(command: readonly string[], { directory }: Scratch): number {
  const json = join(directory, 'hyperfine.json');
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const flags = ['-N', '--runs', '1', '--style', 'none', '--export-json', json];
  execFileSync('hyperfine', [...flags, quoted], { stdio: ['ignore', 'ignore', 'pipe'] });
  const report: { results: { times: number[] }[] } = JSON.parse(readFileSync(json, 'utf8'));
  return (report.results[0]?.times[0] ?? Number.NaN) * 1000;
}
