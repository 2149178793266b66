/**
 * Runs programs of Debian in a container of Pinion's and in one of runc's, and compares what they
 * print and how they end: `main.ts [CASE...]`. Prints a line for each case, and ends with 1 if any
 * differs.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, readCases } from './cases.ts';
import { type Outcome, runCase } from './container.ts';
import { makeRootfs } from './rootfs.ts';

const HOME = join(import.meta.dirname, '../..');
const PINION = join(HOME, 'bin/pinion');
const RUNC = ['/usr/sbin/runc', '/usr/bin/runc'].find(existsSync) ?? 'runc';
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
  const errors = ours.stderr.trimEnd().split('\n').slice(-SHOWN);
  return [
    ...lines('runc  ', b),
    ...lines('pinion', a),
    ...errors.map((line) => `    stderr ${line}`),
  ];
}

async function compare(rootfs: string, one: Case): Promise<boolean> {
  const theirs = await runCase([RUNC], rootfs, one);
  const ours = await runCase([PINION], rootfs, one);
  const same = ours.status === theirs.status && ours.stdout === theirs.stdout;
  const good = same && theirs.status === 0;
  const mark = good ? 'same  ' : 'DIFFER';
  process.stdout.write(`${mark} ${one.name}: runc ${describe(theirs)}; pinion ${describe(ours)}\n`);
  if (!good) process.stdout.write(`${difference(ours, theirs).join('\n')}\n`);
  return good;
}

const wanted = process.argv.slice(2);
const cases = readCases().filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const unknown = wanted.filter((name) => !cases.some((one) => one.name === name));
if (unknown.length > 0) {
  const names = readCases().map(({ name }) => name);
  process.stderr.write(`no case ${unknown.join(', ')}; there are ${names.join(', ')}\n`);
  process.exit(2);
}
const directory = process.env.PINION_CONFORMANCE ?? join(HOME, 'build/conformance');
const rootfs = makeRootfs(
  directory,
  cases.flatMap(({ packages }) => packages),
);
let passed = 0;
for (const one of cases) if (await compare(rootfs, one)) passed += 1;
process.stdout.write(`${passed} passed, ${cases.length - passed} failed\n`);
process.exitCode = passed === cases.length ? 0 : 1;
