/**
 * Hostile guests: their monitor ends by their doing or is killed, never by a fault of its own, and
 * nothing is left of it. `PINION_FUZZ_SECONDS` says how long this goes on, `PINION_FUZZ_SEED`
 * repeats a guest.
 */
import { expect, test } from 'vitest';
import type { BundleConfig } from '../bundle.ts';
import { Container } from '../cli/lifecycle/container.ts';
import type { Result } from '../pinion.ts';
import { build } from './programs.ts';

const SECONDS = Number(process.env.PINION_FUZZ_SECONDS ?? 5);
/** How long one guest may live. */
const LIFE = 3000;
/** As long may it take to die when it is killed. */
const DEATH = 10_000;
/** Guests of one kind: requests to the machine, system calls, both, both and wrecked kernel pages. */
const KINDS = 4;

/** Signals of faults, as a process ends by them or as a shell tells them. */
const FAULTS = { SIGSEGV: 11, SIGBUS: 7, SIGILL: 4, SIGFPE: 8, SIGTRAP: 5, SIGABRT: 6, SIGSYS: 31 };

/** What the guest could harm is not there: no rights, no files but its own, little of them. */
function confine(config: BundleConfig, program: string): void {
  const none: string[] = [];
  Object.assign(config.process, {
    user: { uid: 65534, gid: 65534 },
    capabilities: { bounding: none, effective: none, permitted: none },
    rlimits: [{ type: 'RLIMIT_FSIZE', soft: 1 << 20, hard: 1 << 20 }],
  });
  config.root.readonly = true;
  config.mounts.push(
    { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['size=16m', 'mode=1777'] },
    { destination: '/dev/fuzz', type: 'bind', source: program, options: ['bind', 'ro'] },
  );
  config.linux.resources = { memory: { limit: 256 << 20 }, pids: { limit: 32 } };
}

async function runGuest(program: string, seed: number): Promise<Result> {
  const container = new Container({
    args: ['/dev/fuzz', String(seed), String(seed % KINDS)],
    edit: (config) => confine(config, program),
  });
  const run = ['--debug', 'run', '--bundle', container.bundle, container.id];
  const child = container.spawn(run);
  const ended = container.end(child);
  const killer = setTimeout(() => container.pinion('kill', container.id, 'KILL'), LIFE);
  const late = setTimeout(() => child.kill('SIGKILL'), LIFE + DEATH);
  const result = await ended;
  clearTimeout(killer);
  clearTimeout(late);
  expect(await container.leftovers()).toEqual([]);
  return result;
}

/** What is wrong with the end of a guest, if anything. */
function complaint({ status, signal, stderr }: Result): string | undefined {
  if (/panicked|abort/.test(stderr)) return 'the monitor panicked';
  // The monitor tells its counters when the guest ends it: a fault of its own has none.
  if (/^exits \d/m.test(stderr)) return undefined;
  const codes = Object.values(FAULTS).map((fault) => 128 + fault);
  if (codes.includes(status ?? 0) || (signal ?? '') in FAULTS) return 'the monitor crashed';
  return undefined;
}

test(
  'a hostile guest neither crashes its monitor nor leaves anything',
  async () => {
    const program = await build('fuzz');
    const end = Date.now() + SECONDS * 1000;
    let seed = Number(process.env.PINION_FUZZ_SEED ?? Date.now() % 1e9);
    let most = 0;
    for (; Date.now() < end; seed += 1) {
      const result = await runGuest(program, seed);
      const text = `PINION_FUZZ_SEED=${seed}: ${JSON.stringify(result)}`;
      expect(complaint(result), text).toBeUndefined();
      most = Math.max(most, Number(/^exits (\d+)/m.exec(result.stderr)?.[1] ?? 0));
    }
    // A guest that did not reach the monitor would prove nothing.
    expect(most).toBeGreaterThan(1000);
  },
  SECONDS * 1000 + 60_000,
);
