/**
 * Many containers at once, and many one after the other, of Pinion and of runc: `main.ts [CASE...]`. Every
 * command must succeed, every container answer, and nothing be left. Prints a table of what each
 * case took, and what a container took of memory.
 */
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { choose, PINION, RUNC } from '../compare.ts';
import { busybox, redis } from './bundles.ts';
import { Fleet } from './fleet.ts';
import { KernelMemory, type Traces, traces } from './traces.ts';

interface Scale {
  name: string;
  run: (runtime: string) => Promise<void>;
}

const FLEETS = [
  {
    name: 'sleepers',
    size: 200,
    bundle: () => busybox('/bin/sleep', '3600'),
    ask: ['/bin/echo', 'here'],
    answer: 'here\n',
  },
  {
    name: 'redis',
    size: 100,
    bundle: redis,
    ask: ['/usr/bin/redis-cli', 'ping'],
    answer: 'PONG\n',
  },
] as const;

const CYCLES = Number(process.env.PINION_SCALE_CYCLES ?? 1000);
/** What is built up once, like the runtime's own caches, is there after so many. */
const WARM_UP = 20;
/** What a cycle may leave in the kernel, in KiB: pages of slabs that are not full are freed late. */
const KERNEL_KIB_PER_CYCLE = 4;
/** How long the kernel may take to free what has died, in ms. */
const SETTLE = 3000;

const CASES: Scale[] = [
  ...FLEETS.map((fleet) => ({
    name: fleet.name,
    run: (runtime: string) => runFleet(runtime, fleet),
  })),
  { name: 'cycles', run: runCycles },
];

async function runFleet(runtime: string, fleet: (typeof FLEETS)[number]): Promise<void> {
  const { name, size } = fleet;
  const containers = new Fleet(runtime, fleet.bundle(), size);
  const look = () => traces(containers.root, 'scale-');
  const before = look();
  try {
    const times: string[] = [];
    const timed = async (what: string, step: () => Promise<void>) => {
      const start = performance.now();
      await step();
      times.push(`${what} ${((performance.now() - start) / 1000).toFixed(1)} s`);
    };
    await timed('create', () => containers.create());
    await timed('start', () => containers.start());
    await timed('exec', () => containers.expectAnswers(fleet.ask, fleet.answer));
    const memory = await containers.memory();
    await timed('delete', () => containers.delete());
    await expectGone(before, look);
    report(runtime, name, `${size} at once: ${times.join(', ')}; ${memory.toFixed(2)} MiB each`);
  } finally {
    await containers.remove();
  }
}

/** Whatever is open or in memory belongs to a process, of which none may be left, or is the kernel's. */
async function runCycles(runtime: string): Promise<void> {
  const memory = new KernelMemory(`scale-${process.pid}-memory`);
  const containers = new Fleet(runtime, busybox('/bin/true'), 1);
  const look = () => traces(containers.root, 'scale-');
  const before = look();
  try {
    const cycle = async () => {
      await containers.create();
      await containers.start();
      await containers.delete();
    };
    for (let count = 0; count < WARM_UP; count++) await cycle();
    await expectGone(before, look);
    const warm = memory.read();
    const start = performance.now();
    for (let count = 0; count < CYCLES; count++) await cycle();
    const each = (performance.now() - start) / CYCLES;
    await expectGone(before, look);
    const growth = (memory.read() - warm) / CYCLES;
    const text = `the kernel's memory grows by ${growth.toFixed(2)} KiB a cycle`;
    report(runtime, 'cycles', `${CYCLES}: ${each.toFixed(0)} ms each; ${text}`);
    if (growth > KERNEL_KIB_PER_CYCLE) throw new Error(text);
  } finally {
    await containers.remove();
    memory.remove();
  }
}

/** Waits for what has died to be gone. */
async function expectGone(before: Traces, look: () => Traces): Promise<void> {
  for (let waited = 0; waited < SETTLE && differs(before, look()); waited += 100) await sleep(100);
  const after = look();
  if (differs(before, after)) {
    throw new Error(`left: ${JSON.stringify(after)}; before: ${JSON.stringify(before)}`);
  }
}

function differs(before: Traces, after: Traces): boolean {
  return (Object.keys(before) as (keyof Traces)[]).some((key) => after[key] > before[key]);
}

function report(runtime: string, name: string, text: string): void {
  process.stdout.write(`${basename(runtime).padEnd(7)} ${name.padEnd(9)} ${text}\n`);
}

let failed = 0;
for (const { name, run } of choose(CASES)) {
  for (const runtime of [PINION, RUNC]) {
    try {
      await run(runtime);
    } catch (error) {
      failed += 1;
      report(runtime, name, `FAILED: ${error instanceof Error ? error.message : error}`);
    }
  }
}
process.exitCode = failed === 0 ? 0 : 1;
