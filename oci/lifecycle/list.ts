import { readFileSync } from 'node:fs';
import type { Context } from '../context.ts';
import { messageOf } from '../errors.ts';
import { StateStore } from '../state/store.ts';
import type { OwnedState } from '../state/types.ts';
import { stateOf } from './state.ts';

/** The containers of a state directory, by id. One that cannot be read is a warning. */
export async function list(ctx: Context): Promise<OwnedState[]> {
  const store = new StateStore(ctx.root);
  const states: OwnedState[] = [];
  for (const id of store.ids()) {
    try {
      states.push(stateOf(store, store.read(id), userName(store.owner(id))));
    } catch (error) {
      ctx.log.warning(`load container ${id}: ${messageOf(error)}`);
    }
  }
  return states;
}

/** By /etc/passwd; `#UID` for a user that it does not have. */
function userName(uid: number): string {
  let passwd = '';
  try {
    passwd = readFileSync('/etc/passwd', 'utf8');
  } catch {
    // Hosts without the file have only numbers.
  }
  const line = passwd.split('\n').find((entry) => entry.split(':')[2] === String(uid));
  return line?.split(':')[0] ?? `#${uid}`;
}
