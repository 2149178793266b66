import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { OciError, runcError } from '../errors.ts';
import { DirectoryLock } from '../state/lock.ts';
import type { ContainerRecord } from '../state/record.ts';
import { StateStore } from '../state/store.ts';
import { destroy, removeDirectory, runPoststopHooks } from './destroy.ts';
import { SIGKILL, signalProcess } from './process.ts';
import { statusOf } from './status.ts';

/** How long another operation on the same container may take to end, in ms. */
const LOCK_TIMEOUT = 10_000;

export interface RemoveOptions {
  /** Kill a container that runs, and take an unknown id or the rest of a container as well. */
  force: boolean;
}

/** Deletes a container that has stopped, or was never started (runtime-spec, "Delete"). */
export async function remove(ctx: Context, id: string, { force }: RemoveOptions): Promise<void> {
  const store = new StateStore(ctx.root);
  if (!store.has(id)) return finish(force);
  const native = new Native(ctx.addon);
  const record = find(store, id, force);
  if (record !== undefined && !force) checkDeletable(store, record);

  const lock = await lockForRemoval(native, store, id, force);
  if (lock === 'gone') return finish(force);
  try {
    const current = find(store, id, force);
    if (current === undefined) {
      removeDirectory(native, store, id);
      return finish(force);
    }
    if (!force) checkDeletable(store, current);
    await destroy(ctx, native, store, current);
    await runPoststopHooks(ctx, current);
  } finally {
    lock.release();
  }
}

/** A container that does not exist (any more) is what --force wants, and else an error. */
function finish(force: boolean): void {
  if (!force) throw runcError('ERR_PINION_NOT_FOUND');
}

/** With force a damaged record is as good as none. */
function find(store: StateStore, id: string, force: boolean): ContainerRecord | undefined {
  try {
    return store.find(id);
  } catch (error) {
    if (force) return undefined;
    throw error;
  }
}

function checkDeletable(store: StateStore, record: ContainerRecord): void {
  const status = statusOf(store, record);
  if (status !== 'stopped' && status !== 'created') {
    throw new OciError(
      'ERR_PINION_NOT_STOPPED',
      `cannot delete container ${record.id} that is not stopped: ${status}`,
    );
  }
}

/**
 * Waits for whoever creates or deletes the container. With force a creation is made to fail, by
 * the death of its init: its creator then cleans up itself.
 */
async function lockForRemoval(
  native: Native,
  store: StateStore,
  id: string,
  force: boolean,
): Promise<DirectoryLock | 'gone'> {
  const lock = await DirectoryLock.acquire(native, store.directory(id), LOCK_TIMEOUT, () => {
    const init = force ? find(store, id, force)?.init : undefined;
    if (init) signalProcess(native, init, SIGKILL);
  });
  if (lock === 'busy') {
    throw new OciError('ERR_PINION_BUSY', `container ${id} is being created or deleted`);
  }
  return lock;
}
