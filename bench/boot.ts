/**
 * From the exec of the monitor to the first system call of a program that does nothing else, in the
 * parts that the monitor reports: without a container, so nothing of a rootfs or of hooks is in it.
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { percentile } from './statistics.ts';

const HOME = join(import.meta.dirname, '..');
const MONITOR = join(HOME, 'target/release/pinion-vmm');
const KERNEL = join(HOME, 'target/release/pinion-unikernel');

/** Part -> ms in each run; the last part, `in all`, is their sum. */
export type Boot = Map<string, number[]>;

/** Runs the program several times and reads `boot: PART MS, ..., in all MS ms`. */
export function measureBoot(programs: string, runs: number): Boot {
  const boot: Boot = new Map();
  for (let i = 0; i < runs; i++) {
    const args = [MONITOR, 'guest', '--kernel', KERNEL, join(programs, 'first')];
    const env = { PINION_VERBOSE: '1' };
    const run = spawnSync(join(programs, 'started'), args, { encoding: 'utf8', env });
    if (run.status !== 0) throw new Error(`the monitor failed: ${run.stderr}`);
    const line = /^boot: (.*) ms$/m.exec(run.stderr)?.[1];
    if (line === undefined) throw new Error('the monitor reported no boot times');
    for (const part of line.split(', ')) {
      const [, name = '', ms] = /^(.*) ([\d.]+)$/.exec(part) ?? [];
      boot.set(name, [...(boot.get(name) ?? []), Number(ms)]);
    }
  }
  return boot;
}

export function describeBoot(boot: Boot): string {
  const parts = [...boot].map(([name, values]) => `${name} ${percentile(values, 0.5).toFixed(2)}`);
  const p95 = percentile(boot.get('in all') ?? [], 0.95).toFixed(2);
  const title = 'exec of the monitor to the first guest system call, p50 in ms';
  return `${title}: ${parts.join(', ')} (p95 ${p95})`;
}
