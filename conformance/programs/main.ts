/**
 * Runs programs of Debian in a container of Pinion's and in one of runc's, and compares what they
 * print and how they end: `main.ts [CASE...]`. Prints a line for each case, and ends with 1 if any
 * differs.
 */
import { join } from 'node:path';
import { readCases } from '../cases.ts';
import { choose, compareAll, DIRECTORY } from '../compare.ts';
import { runCase } from './container.ts';
import { makeRootfs } from './rootfs.ts';

const CASES = join(import.meta.dirname, 'cases');

/** Node.js and packages that Debian's are older than. */
const OF_THE_HOST = {
  '/opt/node': process.execPath,
  '/opt/node_modules': join(import.meta.dirname, '../../node_modules'),
};
const mounts = Object.entries(OF_THE_HOST).map(([destination, source]) => ({
  destination,
  type: 'bind',
  source,
  options: ['bind', 'ro'],
}));

const cases = choose(readCases(CASES));
const rootfs = makeRootfs(
  DIRECTORY,
  cases.flatMap(({ packages }) => packages),
);
await compareAll(cases, (runtime, one) => runCase([runtime], rootfs, CASES, one, { mounts }));
