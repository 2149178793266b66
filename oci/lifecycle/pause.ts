import type { Context } from '../context.ts';
import { OciError, runcError } from '../errors.ts';
import { StateStore } from '../state/store.ts';
import { freeze, thaw } from './cgroup.ts';
import { statusOf } from './status.ts';

/** How long the processes of a container may take to stop, in ms; runc's limit is alike. */
const TIMEOUT = 10_000;

/** Stops all processes of a container until it is resumed. */
export async function pause(ctx: Context, id: string): Promise<void> {
  const store = new StateStore(ctx.root);
  const record = store.read(id);
  const status = statusOf(store, record);
  if (status !== 'running' && status !== 'created') throw runcError('ERR_PINION_NOT_RUNNING');
  if (!(await freeze(record.cgroups, TIMEOUT))) {
    throw new OciError('ERR_PINION_FREEZE', 'unable to freeze');
  }
}

/** Lets the processes of a paused container go on. */
export async function resume(ctx: Context, id: string): Promise<void> {
  const store = new StateStore(ctx.root);
  const record = store.read(id);
  if (statusOf(store, record) !== 'paused') throw runcError('ERR_PINION_NOT_PAUSED');
  thaw(record.cgroups);
}
