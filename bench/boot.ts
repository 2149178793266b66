/** From the monitor's start to the guest's first system call, in the parts that the monitor reports. */

import { commandOf, output, type Runtime, type Scratch, type Workload } from './runtimes.ts';
import { percentile } from './statistics.ts';

/** Part -> ms in each run; the last part, `in all`, is their sum. */
export type Boot = Map<string, number[]>;

/** Runs the program several times and reads `boot: PART MS, ..., in all MS ms`. */
export function measureBoot(
  runtime: Runtime,
  work: Workload,
  scratch: Scratch,
  runs: number,
): Boot {
  const boot: Boot = new Map();
  for (let i = 0; i < runs; i++) {
    const { stderr } = output(commandOf(runtime, work, scratch, true));
    const line = /^boot: (.*) ms$/m.exec(stderr)?.[1];
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
  return `time to the first guest system call, p50 in ms: ${parts.join(', ')} (p95 ${p95})`;
}
