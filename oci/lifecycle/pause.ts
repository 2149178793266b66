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
  if (record.cgroups.length === 0) throw noCgroups('cannot toggle freezer');
  if (!(await freeze(record.cgroups, TIMEOUT))) {
    throw new OciError('ERR_PINION_FREEZE', 'unable to freeze');
  }
}

/** A container of a user whom no control group is delegated to. */
function noCgroups(what: string): OciError {
  return new OciError('ERR_PINION_NO_CGROUPS', `${what}: cgroups not configured for container`);
}

/** Lets the processes of a paused container go on. */
export async function resume(ctx: Context, id: string): Promise<void> {
  const store = new StateStore(ctx.root);
  const record = store.read(id);
  if (statusOf(store, record) !== 'paused') throw runcError('ERR_PINION_NOT_PAUSED');
  thaw(record.cgroups);
}
