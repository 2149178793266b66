/**
 * Limits of tasks. One process of a container is several tasks of the host: the monitor's threads and KVM's
 * own. So the group's limit only contains what monitors may need for as many, and they themselves keep the one
 * that was asked for (`vmm/src/census.rs`).
 */
import type { Resources, Wide } from '../../spec/index.ts';

/** Tasks of the host that the monitor of one task of the container has at most, and some to begin with. */
const EACH = 6n;
const SPARE = 16n;

/** The limit of the container's group. Negative: no limit. */
export function hostTasks(limit: Wide): bigint {
  return BigInt(limit) < 0n ? -1n : BigInt(limit) * EACH + SPARE;
}

/** The same of `pids.max` as a file's text; what is no number stays what it is. */
export function hostTasksText(value: string): string {
  return /^\d+$/.test(value) ? String(hostTasks(BigInt(value))) : value;
}

/** The limit that is asked for: none if it is left alone, 0 for no limit. */
export function taskLimit(resources: Resources): bigint | undefined {
  const text = resources.unified?.['pids.max'];
  if (text !== undefined) return /^\d+$/.test(text) ? BigInt(text) : 0n;
  const limit = BigInt(resources.pids?.limit ?? 0);
  if (limit === 0n) return undefined;
  return limit < 0n ? 0n : limit;
}
