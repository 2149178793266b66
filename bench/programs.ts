/**
 * Compares programs of Debian in containers: `node bench/programs.ts [ROUNDS [LOAD...]]`. In each round every load runs
 * in a container of Pinion's and in one of runc's, one after the other; a shell in the container takes the times.
 * Prints ratios: above 1 is slower than runc. The root filesystem is that of the conformance suites
 * (`PINION_CONFORMANCE`, or a folder of the build) below an overlay.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIRECTORY } from '../conformance/compare.ts';
import { makeRootfs } from '../conformance/programs/rootfs.ts';
import { defaultConfig } from '../oci/default-config.ts';
import { LOADS, type Load } from './loads.ts';
import { readMachine } from './machine.ts';
import { findRuntimes, output, type Runtime } from './runtimes.ts';
import { percentile, Samples } from './statistics.ts';

const SCRATCH = join(import.meta.dirname, '../build/bench/programs');
const PACKAGES = ['gcc', 'libc6-dev', 'make', 'golang-go', 'nodejs', 'openjdk-17-jdk-headless'];
PACKAGES.push('openssl', 'python3', 'coreutils', 'bash');
const FOLDER = '/bench';

/** Where a load's files are in the root filesystem. */
const folderOf = ({ name }: Load) => `${FOLDER}/${name.replaceAll(/\W+/g, '-')}`;

/** Prints microseconds for each time that the command ran, or what it prints itself. */
function script(load: Load): string {
  const { command, times, rate } = load;
  const timed = `start=$EPOCHREALTIME\n${command}\nend=$EPOCHREALTIME`;
  const once = rate ? command : `${timed}\necho $((\${end/./} - \${start/./}))`;
  return `cd ${folderOf(load)}\nfor _ in $(seq ${times}); do\n${once}\ndone`;
}

function bundle(load: Load, rootfs: string): string {
  const directory = join(SCRATCH, 'bundles', folderOf(load));
  mkdirSync(directory, { recursive: true });
  const config = defaultConfig('1.0.2', undefined) as Record<string, object>;
  const env = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8', 'HOME=/tmp'];
  const args = ['/bin/bash', '-c', script(load)];
  const tmpfs = { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' };
  const json = {
    ...config,
    process: { ...config.process, terminal: false, args, env },
    root: { path: rootfs, readonly: true },
    mounts: [...(config.mounts as object[]), tmpfs],
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(json));
  return directory;
}

/** Milliseconds of each time, or rates. */
function measure({ rate }: Load, runtime: Runtime, directory: string): number[] {
  const root = join(SCRATCH, `state-${runtime.name}`);
  const command = ['--root', root, 'run', '--bundle', directory, `bench-${process.pid}`];
  const { stdout } = output([runtime.path ?? '', ...command]);
  if (rate) return [Number(rate.exec(stdout)?.[1] ?? Number.NaN)];
  return stdout
    .trim()
    .split('\n')
    .map((line) => Number(line) / 1000);
}

/** An overlay over the root filesystem with what the loads need; returns its path. */
function prepare(lower: string, loads: readonly Load[]): string {
  const [upper, work, merged] = ['upper', 'work', 'merged'].map((part) => join(SCRATCH, part));
  for (const part of [upper, work, merged]) mkdirSync(part ?? '', { recursive: true });
  const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, merged ?? '']);
  for (const load of loads) {
    const text = `mkdir -p ${folderOf(load)} && cd ${folderOf(load)}\n${load.prepare ?? ''}`;
    execFileSync('chroot', [merged ?? '', '/bin/bash', '-ec', text], { stdio: 'inherit' });
  }
  return merged ?? '';
}

/** @param rate Whether more is better. */
function line(name: string, samples: Samples, runtimes: readonly Runtime[], rate: boolean): string {
  const medians = runtimes.map((runtime) => percentile(samples.get(name, runtime.name), 0.5));
  const [ours = Number.NaN, theirs = Number.NaN] = medians;
  const shown = medians.map((median) => median.toFixed(1).padStart(12)).join('');
  const ratio = (rate ? theirs / ours : ours / theirs).toFixed(2);
  return `${name.padEnd(28)}${shown} ${rate ? '/s' : 'ms'} ${ratio.padStart(6)}\n`;
}

function main(): void {
  const rounds = Number(process.argv[2] ?? 5);
  const wanted = process.argv.slice(3);
  const loads = LOADS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const lower = makeRootfs(DIRECTORY, PACKAGES);
  rmSync(SCRATCH, { recursive: true, force: true });
  mkdirSync(SCRATCH, { recursive: true });
  const runtimes = findRuntimes().filter(({ name }) => name !== 'crun');
  const samples = new Samples();
  const machine = readMachine();
  process.stdout.write(`${machine.kind} machine, ${machine.cpus} x ${machine.cpu}\n`);
  try {
    const rootfs = prepare(lower, loads);
    for (const load of loads) {
      const directory = bundle(load, rootfs);
      for (let round = 0; round < rounds; round++) {
        for (const runtime of runtimes) {
          for (const value of measure(load, runtime, directory)) {
            samples.add(load.name, runtime.name, value);
          }
        }
      }
      process.stdout.write(line(load.name, samples, runtimes, load.rate !== undefined));
    }
  } finally {
    execFileSync('umount', [join(SCRATCH, 'merged')]);
  }
  writeFileSync(join(SCRATCH, 'results.json'), JSON.stringify({ machine, samples }));
}

main();
