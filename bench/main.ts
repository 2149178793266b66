/**
 * Compares Pinion with its peers in one interleaved run: `node bench/main.ts [ROUNDS [MEASURE...]]`. Prints
 * ratios; every sample goes to build/bench/results.json. A peer that fails fails the comparison.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeBoot, measureBoot } from './boot.ts';
import { Bundles } from './bundles.ts';
import { measureIdle } from './idle.ts';
import { readMachine } from './machine.ts';
import { MEASURES, type Measure, NANOSECONDS } from './measures.ts';
import {
  commandOf,
  findRuntimes,
  NATIVE,
  output,
  type Runtime,
  type Workload,
  wallTime,
} from './runtimes.ts';
import { percentile, Samples } from './statistics.ts';

const HOME = join(import.meta.dirname, '..');
const DIRECTORY = join(HOME, 'build/bench');

const scratch = { directory: DIRECTORY };
const samples = new Samples();
const failures = new Set<string>();

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function sample({ name, by, unit }: Measure, runtime: Runtime, work: Workload): void {
  try {
    const command = commandOf(runtime, work, scratch, by === 'program');
    if (by === 'wall time') {
      samples.add(name, runtime.name, wallTime(command, scratch));
      return;
    }
    const { stdout, stderr, seconds } = output(command);
    samples.add(name, runtime.name, Number(stdout) / NANOSECONDS[unit]);
    const exits = /^exits (\d+)/m.exec(stderr)?.[1];
    if (exits !== undefined) samples.add(`${name}: exits/s`, runtime.name, Number(exits) / seconds);
  } catch (error) {
    failures.add(`${name}: ${runtime.name}: ${String(error).split('\n')[0]}`);
  }
}

function table(runtimes: readonly Runtime[]): void {
  say(['measure', 'runtime', 'n', 'p50', 'p95', '', 'pinion/this', 'exits/s'].map(cell).join(''));
  for (const { name, unit } of MEASURES) {
    const ours = percentile(samples.get(name, 'pinion'), 0.5);
    for (const runtime of [...runtimes, NATIVE]) {
      const values = samples.get(name, runtime.name);
      if (values.length === 0) continue;
      const p50 = percentile(values, 0.5);
      const numbers = [p50, percentile(values, 0.95)].map((value) => value.toFixed(2));
      const ratio = runtime.name === 'pinion' ? '' : (ours / p50).toFixed(2);
      const exits = percentile(samples.get(`${name}: exits/s`, runtime.name), 0.5);
      const rate = Number.isNaN(exits) ? '' : exits.toFixed(0);
      const columns = [name, runtime.name, String(values.length), ...numbers, unit, ratio, rate];
      say(columns.map(cell).join('').trimEnd());
    }
  }
}

function cell(text: string, column: number): string {
  return column < 2 ? text.padEnd(16) : `${text.padStart(column === 5 ? 3 : 10)} `;
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 30);
  mkdirSync(DIRECTORY, { recursive: true });
  const machine = readMachine();
  say(
    `${machine.kind} machine: ${machine.kvm}, ${machine.cpus} x ${machine.cpu}, ${machine.linux}`,
  );
  const runtimes = findRuntimes();
  const bundles = new Bundles(DIRECTORY);
  const wanted = process.argv.slice(3);
  const measures = MEASURES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const works = measures.map((measure) => ({
    measure,
    work: {
      bundle: bundles.bundle(measure.name.replaceAll(' ', '-'), measure.args),
      rootfs: bundles.rootfs,
      args: measure.args,
    },
  }));

  for (let round = 0; round < rounds; round++) {
    for (const { measure, work } of works) {
      if ((round * measure.share) % 10 >= measure.share) continue;
      const compared = measure.native ? [...runtimes, NATIVE] : runtimes;
      for (const runtime of compared) sample(measure, runtime, work);
    }
    // The part of each run that is the command line's: a command that does nothing else.
    const list = [join(HOME, 'bin/pinion'), '--root', join(DIRECTORY, 'empty'), 'list'];
    samples.add('command line', 'pinion', wallTime(list, scratch));
  }
  table(runtimes);

  const commandLine = percentile(samples.get('command line', 'pinion'), 0.5);
  const run = percentile(samples.get('run true', 'pinion'), 0.5);
  const share = ((100 * commandLine) / run).toFixed(0);
  say(`\nof run true, the command line takes ${commandLine.toFixed(1)} ms (${share} %)`);

  try {
    const boot = measureBoot(join(bundles.rootfs, 'bin'), rounds);
    for (const [part, values] of boot) {
      for (const value of values) samples.add(`boot: ${part}`, 'pinion', value);
    }
    say(describeBoot(boot));
  } catch (error) {
    failures.add(`boot: ${String(error).split('\n')[0]}`);
  }

  const idleBundle = bundles.bundle('idle', ['/bin/sleep', '60']);
  for (const runtime of runtimes) {
    try {
      const root = join(DIRECTORY, `state-${runtime.name}`);
      const { memory, cpu } = await measureIdle(runtime, idleBundle, root);
      samples.add('idle memory', runtime.name, memory);
      samples.add('idle CPU', runtime.name, cpu);
      say(`idle ${runtime.name}: ${memory.toFixed(2)} MiB PSS, ${cpu.toFixed(1)} % CPU`);
    } catch (error) {
      failures.add(`idle: ${String(error).split('\n')[0]}`);
    }
  }

  const results = join(DIRECTORY, 'results.json');
  writeFileSync(results, JSON.stringify({ machine, samples, failures: [...failures] }));
  say(`samples in ${results}`);
  for (const failure of failures) say(`FAILED ${failure}`);
  process.exitCode = failures.size === 0 ? 0 : 1;
}

void main();
