/** What a case printed and how it ended, under Pinion and under runc. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const HOME = join(import.meta.dirname, '..');

export const PINION = join(HOME, 'bin/pinion');
export const RUNC = ['/usr/sbin/runc', '/usr/bin/runc'].find(existsSync) ?? 'runc';

/** Where the suites keep what they make: `PINION_CONFORMANCE`, or a folder of the build. */
export const DIRECTORY = process.env.PINION_CONFORMANCE ?? join(HOME, 'build/conformance');

export interface Outcome {
  /** Exit status; undefined if it took too long or a signal ended the runtime. */
  status: number | undefined;
  stdout: string;
  stderr: string;
  seconds: number;
}

/** How many lines of each are shown where they differ. */
const SHOWN = 10;

function describe(outcome: Outcome): string {
  const end = outcome.status === undefined ? 'took too long or was killed' : `${outcome.status}`;
  return `${end}, ${outcome.seconds.toFixed(1)} s`;
}

/** The first lines that differ, and the end of what went to standard error. */
function difference(ours: Outcome, theirs: Outcome): string[] {
  const [a, b] = [ours.stdout.split('\n'), theirs.stdout.split('\n')];
  const at = a.findIndex((line, index) => line !== b[index]);
  const from = at === -1 ? a.length : at;
  const lines = (mark: string, all: readonly string[]) =>
    all.slice(from, from + SHOWN).map((line) => `    ${mark} ${line}`);
  const errors = (mark: string, text: string) =>
    text
      .split('\n')
      .filter(Boolean)
      .slice(-SHOWN)
      .map((line) => `    ${mark} stderr ${line}`);
  return [
    ...lines('runc  ', b),
    ...lines('pinion', a),
    ...errors('runc  ', theirs.stderr),
    ...errors('pinion', ours.stderr),
  ];
}

/**
 * Runs a case under both, and prints a line, or what differs. With runc it must end well, and what it expects of
 * errors it keeps or discards: one that reaches standard error went another way than it says.
 */
async function compare(name: string, run: (runtime: string) => Promise<Outcome>): Promise<boolean> {
  const theirs = await run(RUNC);
  const ours = await run(PINION);
  const same = ours.status === theirs.status && ours.stdout === theirs.stdout;
  const meant = theirs.status === 0 && theirs.stdout !== '' && theirs.stderr === '';
  const good = same && meant;
  const mark = good ? 'same  ' : 'DIFFER';
  process.stdout.write(`${mark} ${name}: runc ${describe(theirs)}; pinion ${describe(ours)}\n`);
  if (!good) process.stdout.write(`${difference(ours, theirs).join('\n')}\n`);
  return good;
}

/** The cases that are wanted, by name; all when none is. Ends the process if one does not exist. */
export function choose<T extends { name: string }>(cases: readonly T[]): readonly T[] {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !cases.some((one) => one.name === name));
  if (unknown.length > 0) {
    const names = cases.map(({ name }) => name);
    process.stderr.write(`no case ${unknown.join(', ')}; there are ${names.join(', ')}\n`);
    process.exit(2);
  }
  return cases.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
}

/** Compares all, prints `N passed, N failed`, and sets the exit status. */
export async function compareAll<T extends { name: string }>(
  cases: readonly T[],
  run: (runtime: string, one: T) => Promise<Outcome>,
): Promise<void> {
  let passed = 0;
  for (const one of cases) {
    if (await compare(one.name, (runtime) => run(runtime, one))) passed += 1;
  }
  process.stdout.write(`${passed} passed, ${cases.length - passed} failed\n`);
  process.exitCode = passed === cases.length ? 0 : 1;
}
