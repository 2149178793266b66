/**
 * Runs the stressors of stress-ng in a container of Pinion's and in one of runc's, within limits of memory, tasks and
 * files, and compares how they end: `main.ts [CASE...]`. No monitor may be left.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readCases } from '../cases.ts';
import { choose, compareAll, DIRECTORY, HOME } from '../compare.ts';
import { runCase } from '../programs/container.ts';
import { makeRootfs } from '../programs/rootfs.ts';

const CASES = join(import.meta.dirname, 'cases');
const MONITOR = join(HOME, 'target/release/pinion-vmm');

/** What stressors fill up is the container's. */
const RESOURCES = { memory: { limit: 1 << 30 }, pids: { limit: 2048 } };
const SCRATCH = {
  destination: '/tmp',
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', 'nodev', 'size=512m'],
};

/** The monitors of this tree. */
function monitors(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/exe`) === MONITOR;
    } catch {
      return false;
    }
  });
}

const before = new Set(monitors());
const cases = choose(readCases(CASES));
const rootfs = makeRootfs(
  DIRECTORY,
  cases.flatMap(({ packages }) => packages),
);
await compareAll(cases, (runtime, one) =>
  runCase([runtime], rootfs, CASES, one, { resources: RESOURCES, mounts: [SCRATCH] }),
);
const left = monitors().filter((pid) => !before.has(pid));
if (left.length > 0) {
  process.stdout.write(`left: monitors ${left.join(', ')}\n`);
  process.exitCode = 1;
}
