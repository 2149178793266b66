import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { errnoOf, runcError, systemError } from '../errors.ts';
import { identify } from '../state/process.ts';
import type { ContainerRecord } from '../state/record.ts';
import { StateStore } from '../state/store.ts';
import { processesIn, thaw } from './cgroup.ts';
import { KILL_TIMEOUT, killAll, SIGKILL, signalProcess } from './process.ts';
import { parseSignal } from './signal.ts';
import { statusOf } from './status.ts';

export interface KillOptions {
  /** Signal every process of the container; that it has stopped is no error then. */
  all: boolean;
}

/** Sends a signal (a name or a number) to the container's init (runtime-spec, "Kill"). */
export async function kill(
  ctx: Context,
  id: string,
  signalText: string,
  { all }: KillOptions,
): Promise<void> {
  const store = new StateStore(ctx.root);
  const record = store.read(id);
  const signal = parseSignal(signalText);
  const native = new Native(ctx.addon);

  // Where the container shares its pid namespace, its processes do not end with the init.
  const every = all || (signal === SIGKILL && !record.ownPidNamespace);
  const reached = statusOf(store, record) !== 'stopped' && signalInit(native, record, signal);
  if (!reached && !all) throw runcError('ERR_PINION_NOT_RUNNING');
  // In cgroup version 1, frozen processes do not even die.
  if (signal === SIGKILL) thaw(record.cgroups);
  if (every) await signalOthers(native, record, signal);
}

function signalInit(native: Native, { init }: ContainerRecord, signal: number): boolean {
  try {
    return init !== null && signalProcess(native, init, signal);
  } catch (error) {
    throw errnoOf(error) ? systemError('unable to signal init', error) : error;
  }
}

async function signalOthers(native: Native, record: ContainerRecord, signal: number) {
  const others = () => [...processesIn(record.cgroups)].filter((pid) => pid !== record.init?.pid);
  if (signal === SIGKILL) {
    await killAll(native, others, KILL_TIMEOUT);
    return;
  }
  for (const pid of others()) {
    const target = identify(pid);
    if (target !== undefined) signalProcess(native, target, signal);
  }
}
