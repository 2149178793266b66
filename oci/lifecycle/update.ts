import { readFileSync } from 'node:fs';
import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { OciError, runcError, systemError } from '../errors.ts';
import { taskLimit } from '../plan/cgroups/tasks.ts';
import { updateWrites } from '../plan/cgroups/update.ts';
import { readHost } from '../plan/index.ts';
import { parseResources, type Resources } from '../spec/index.ts';
import { DirectoryLock } from '../state/lock.ts';
import { StateStore } from '../state/store.ts';
import { setLimits } from './limits.ts';
import { statusOf } from './status.ts';
import { writeTaskLimit } from './tasks.ts';

/** How long another operation on the same container may take to end, in ms. */
const LOCK_TIMEOUT = 10_000;

/**
 * Changes the limits of a container: if one cannot be, none is.
 * @param change New limits, or an open file or the absolute path of one with them (config-linux.md
 *   "control-groups").
 */
export async function update(
  ctx: Context,
  id: string,
  change: Resources | number | string,
): Promise<void> {
  const store = new StateStore(ctx.root);
  store.read(id);
  const resources = typeof change === 'object' ? change : read(change);
  const { memory } = resources;
  if (Number(memory?.kernel ?? 0) !== 0 || Number(memory?.kernelTCP ?? 0) !== 0) {
    ctx.log.warning('Kernel memory settings are ignored and will be removed');
  }
  // Two updates at once must not leave some limits of the one and some of the other.
  const native = new Native(ctx.addon);
  const lock = await DirectoryLock.acquire(native, store.directory(id), LOCK_TIMEOUT);
  if (lock === 'gone') throw runcError('ERR_PINION_NOT_FOUND');
  if (lock === 'busy') {
    throw new OciError('ERR_PINION_BUSY', `container ${id} is being created or deleted`);
  }
  try {
    const record = store.read(id);
    if (statusOf(store, record) === 'stopped') throw runcError('ERR_PINION_NOT_RUNNING');
    const { cgroups } = readHost();
    const writes = updateWrites(record.cgroups, cgroups, resources);
    const setBack = setLimits(writes);
    if (record.unit !== undefined) {
      const { updateUnit } = await import('../systemd/container-unit.ts');
      try {
        await updateUnit(ctx, record.unit, resources, cgroups);
      } catch (error) {
        setBack();
        throw error;
      }
      // Systemd rounds some of them.
      setLimits(writes);
    }
    const tasks = taskLimit(resources);
    if (tasks !== undefined) writeTaskLimit(store.missing(id), tasks);
  } finally {
    lock.release();
  }
}

function read(file: number | string): Resources {
  let text: Buffer;
  try {
    text = readFileSync(file);
  } catch (error) {
    throw systemError(`open ${file}`, error);
  }
  return parseResources('resources', text);
}
