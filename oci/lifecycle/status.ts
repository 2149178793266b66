import { existsSync } from 'node:fs';
import { isAlive } from '../state/process.ts';
import type { ContainerRecord } from '../state/record.ts';
import type { StateStore } from '../state/store.ts';
import type { Status } from '../state/types.ts';
import { isFrozen } from './cgroup.ts';

/** The container's state at this moment: computed, never stored. */
export function statusOf(store: StateStore, record: ContainerRecord): Status {
  if (record.creator !== null) return isAlive(record.creator) ? 'creating' : 'stopped';
  if (record.init === null || !isAlive(record.init)) return 'stopped';
  if (isFrozen(record.cgroups)) return 'paused';
  return existsSync(store.execFifo(record.id)) ? 'created' : 'running';
}
