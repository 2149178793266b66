/** New limits of a container that is there (`update`). */
import { join } from 'node:path';
import type { CgroupWrite } from '../../launch-plan.ts';
import type { Resources } from '../../spec/index.ts';
import { readFile } from './files.ts';
import type { Hierarchy } from './hierarchies.ts';
import { limitWrites, unifiedWrites } from './index.ts';
import { LIMITS } from './limits.ts';
import { type Group, isUnified } from './paths.ts';

/**
 * @param directories The container's groups, one in each hierarchy.
 * @returns What to write, in this order. Device rules stay as they are, as in runc.
 */
export function updateWrites(
  directories: readonly string[],
  hierarchies: readonly Hierarchy[],
  resources: Resources,
): CgroupWrite[] {
  const groups = directories.flatMap((directory): Group[] => {
    const within = hierarchies.filter(({ mountpoint }) => directory.startsWith(`${mountpoint}/`));
    // A hierarchy may be mounted below another.
    const [hierarchy] = within.sort((a, b) => b.mountpoint.length - a.mountpoint.length);
    return hierarchy === undefined ? [] : [{ hierarchy, directory }];
  });
  const unified = isUnified(hierarchies);
  const rootless = directories.length === 0;
  const complete = unified ? completed(resources, groups[0]?.directory ?? '/') : resources;
  const writes = [
    ...LIMITS.flatMap((limit) => limitWrites(limit, complete, groups, { unified, rootless })),
    ...unifiedWrites(resources, unified ? groups[0] : undefined),
  ];
  return ordered(writes);
}

/** In version 2 some files hold two limits, and one of them may stay as it is. */
function completed(resources: Resources, directory: string): Resources {
  const { cpu, memory } = resources;
  const complete = { ...resources };
  const [quota = 'max'] = readFile(join(directory, 'cpu.max')).split(' ');
  if (Number(cpu?.period ?? 0) !== 0 && Number(cpu?.quota ?? 0) === 0 && quota !== 'max') {
    complete.cpu = { ...cpu, quota: Number(quota) };
  }
  const limit = readFile(join(directory, 'memory.max'));
  if (Number(memory?.swap ?? 0) > 0 && Number(memory?.limit ?? 0) === 0 && /^\d+$/.test(limit)) {
    complete.memory = { ...memory, limit: Number(limit) };
  }
  return complete;
}

const MEMORY = '/memory.limit_in_bytes';
const WITH_SWAP = '/memory.memsw.limit_in_bytes';

/** In version 1 the limit of memory may at no time be above that of memory and swap. */
function ordered(writes: CgroupWrite[]): CgroupWrite[] {
  const memory = writes.findIndex(({ path }) => path.endsWith(MEMORY));
  const both = writes.findIndex(({ path }) => path.endsWith(WITH_SWAP));
  const [first, second] = [writes[memory], writes[both]];
  if (first === undefined || second === undefined || both < memory) return writes;
  const present = BigInt(readFile(second.path) || 0);
  if (second.value !== '-1' && BigInt(second.value) <= present) return writes;
  return writes.map((write, index) => (index === memory ? second : index === both ? first : write));
}
