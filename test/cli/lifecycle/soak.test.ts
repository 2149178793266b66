/**
 * kill -9 of whatever there is of a container, at random times, again and again: `delete --force` takes all
 * of it away, and the id can be used again. A minute here, ten with `npm run soak`
 * (PINION_SOAK: the seconds; PINION_SOAK_SEED: the sequence of a run before).
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { identify, type ProcessIdentity } from '../../../oci/state/process.ts';
import { Container } from './container.ts';

const SECONDS = Number(process.env.PINION_SOAK ?? 60);
const SEED = Number(process.env.PINION_SOAK_SEED ?? Date.now() % 2 ** 31);

/** Forks, and executes programs, all the time: monitors come and go. */
const BUSY = 'while :; do /bin/true; (/bin/true & /bin/true); echo x | /bin/cat >/dev/null; done';

/** Numbers from 0 on, below `limit`: xorshift32. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  of<T>(values: readonly T[]): T | undefined {
    return values[this.below(values.length)];
  }
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The command and what it started that is still its child: the launcher, then the init. */
function family(command: ChildProcess): number[] {
  const pids = command.pid === undefined ? [] : [command.pid];
  for (const pid of pids) {
    const children = join('/proc', String(pid), 'task', String(pid), 'children');
    if (existsSync(children)) pids.push(...numbers(children));
  }
  return pids;
}

/** All monitors of the container, as its control groups tell. */
function monitors(container: Container): number[] {
  const hierarchies = readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name));
  const groups = hierarchies.map((path) => join(path, container.id, 'cgroup.procs'));
  return [...new Set(groups.filter(existsSync).flatMap(numbers))].filter((pid) => pid > 1);
}

function numbers(file: string): number[] {
  try {
    return readFileSync(file, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Of a process that has ended meanwhile, another one may have the number by now. */
function killProcess(process_: ProcessIdentity | undefined): void {
  if (process_ === undefined || process_.pid <= 1) return;
  if (identify(process_.pid)?.startTime !== process_.startTime) return;
  try {
    process.kill(process_.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** What a round does, each step a command line after the id's place. */
function steps(container: Container, random: Random): string[][] {
  const all = [
    ['create', '--bundle', container.bundle, container.id],
    ['start', container.id],
    ['exec', container.id, '/bin/sh', '-c', 'for i in 1 2 3; do /bin/true; done'],
    ['exec', '--detach', container.id, '/bin/sleep', '60'],
    ['pause', container.id],
    ['resume', container.id],
    ['kill', container.id, 'KILL'],
    ['delete', container.id],
  ];
  return all.filter((_, index) => index < 2 || random.below(3) > 0);
}

async function round(container: Container, random: Random): Promise<void> {
  for (const step of steps(container, random)) {
    const command = container.spawn(step);
    const ended = container.end(command);
    if (random.below(3) === 0) {
      await wait(random.below(120));
      const targets = random.below(2) === 0 ? family(command) : monitors(container);
      killProcess(identify(random.of(targets) ?? 0));
    }
    // One that was not killed waits for nobody who was.
    await ended;
  }
  const victims = monitors(container).map((pid) => identify(pid));
  for (let count = random.below(3); count > 0; count--) killProcess(random.of(victims));
  const { status, stderr } = await container.pinion('delete', '--force', container.id);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(monitors(container)).toEqual([]);
  expect(await container.leftovers()).toEqual([]);
}

test(`kill -9 at random, ${SECONDS} s, seed ${SEED}`, {
  timeout: SECONDS * 1000 + 60_000,
}, async () => {
  const random = new Random(SEED);
  const container = new Container({ args: ['/bin/sh', '-c', BUSY] });
  const end = performance.now() + SECONDS * 1000;
  let rounds = 0;
  for (; performance.now() < end; rounds++) await round(container, random);
  expect(rounds).toBeGreaterThan(0);
});
