import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { messageOf, OciError, runcError } from '../errors.ts';
import { hookState, runHooks } from '../hooks/run.ts';
import { isAlive, type ProcessIdentity } from '../state/process.ts';
import type { ContainerRecord } from '../state/record.ts';
import { StateStore } from '../state/store.ts';
import type { Status } from '../state/types.ts';
import { passExecFifo } from './exec-fifo.ts';
import { NotifySocket } from './notify-socket.ts';
import { KILL_TIMEOUT, SIGKILL, signalProcess, waitForEnd } from './process.ts';
import { statusOf } from './status.ts';

/** Runs the program of a created container (runtime-spec, runtime.md "Start"). */
export async function start(ctx: Context, id: string): Promise<void> {
  const store = new StateStore(ctx.root);
  const record = store.read(id);
  const status = statusOf(store, record);
  if (status !== 'created') throw refusal(status);
  const { ready } = await startCreated(ctx, record);
  await ready();
}

export interface Started {
  /**
   * Waits, where the caller has a NOTIFY_SOCKET, until the program is ready or gone.
   * @param mainPid What the service manager looks after from then on; the container's init unless given.
   */
  ready: (mainPid?: number) => Promise<void>;
}

/** The same for who has just created the container and still holds its record. */
export async function startCreated(ctx: Context, record: ContainerRecord): Promise<Started> {
  const { id, init } = record;
  if (init === null) throw runcError('ERR_PINION_INIT_DEAD');
  const store = new StateStore(ctx.root);
  const notify = NotifySocket.bind(ctx, store.notify(id));
  try {
    await passExecFifo(store.execFifo(id), init);
    await runPoststartHooks(ctx, record, init);
  } catch (error) {
    notify?.close();
    throw error;
  }
  return {
    ready: async (mainPid = init.pid) => {
      try {
        await notify?.forward(mainPid, () => isAlive(init));
      } finally {
        notify?.close();
      }
    },
  };
}

function refusal(status: Status): OciError {
  switch (status) {
    case 'running':
      return runcError('ERR_PINION_ALREADY_RUNNING');
    case 'stopped':
      return runcError('ERR_PINION_STOPPED');
    default:
      return new OciError(
        'ERR_PINION_NOT_CREATED',
        `cannot start a container in the ${status} state`,
      );
  }
}

/**
 * When one fails the container is stopped (runtime-spec 1.3, lifecycle step 9). For a config.json of an earlier
 * version that is a warning, and the others still run.
 */
async function runPoststartHooks(
  ctx: Context,
  record: ContainerRecord,
  init: ProcessIdentity,
): Promise<void> {
  const options = { env: ctx.env, cwd: ctx.cwd, state: hookState(record, 'running', init.pid) };
  for (const [index, hook] of record.hooks.poststart.entries()) {
    try {
      await runHooks('poststart', [hook], options, index);
    } catch (error) {
      if (isBefore13(record.configVersion)) {
        ctx.log.warning(messageOf(error));
        continue;
      }
      signalProcess(new Native(ctx.addon), init, SIGKILL);
      await waitForEnd(init, KILL_TIMEOUT);
      throw error;
    }
  }
}

/** The version was checked when config.json was read: its first number is 1. */
function isBefore13(version = '1.3.0'): boolean {
  return Number(version.split('.')[1]) < 3;
}
