import type { Context } from '../context.ts';
import type { ContainerRecord } from '../state/record.ts';
import { StateStore } from '../state/store.ts';
import type { State } from '../state/types.ts';
import { statusOf } from './status.ts';

/** The state of a container (runtime-spec, runtime.md "Query State"). */
export async function state(ctx: Context, id: string): Promise<State> {
  const store = new StateStore(ctx.root);
  return stateOf(store, store.read(id));
}

/** @param owner User name, for `list`. */
export function stateOf(store: StateStore, record: ContainerRecord, owner = ''): State {
  const status = statusOf(store, record);
  const { ociVersion, id, init, bundle, rootfs, created, annotations } = record;
  return {
    ociVersion,
    id,
    pid: status === 'stopped' ? 0 : (init?.pid ?? 0),
    status,
    bundle,
    rootfs,
    created,
    ...(Object.keys(annotations).length > 0 && { annotations }),
    owner,
  };
}
