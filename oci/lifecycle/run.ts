import type { Context } from '../context.ts';
import { messageOf, prefixed } from '../errors.ts';
import { exitCode } from '../monitor/session.ts';
import type { ContainerRecord } from '../state/record.ts';
import { type CreateOptions, createContainer, inBundle } from './create.ts';
import { remove } from './remove.ts';
import { SignalRelay } from './signal-relay.ts';
import { type Started, startCreated } from './start.ts';

export interface RunOptions extends CreateOptions {
  /** Return when the program runs. */
  detach: boolean;
  /** Keep the state after the program's end. */
  keep: boolean;
}

/**
 * Creates and starts a container. In the foreground it waits for the program's end, passes signals
 * on, and deletes the container.
 * @returns The exit status: the program's, 128 + N when signal N killed it; 0 when detached.
 */
export async function run(caller: Context, options: RunOptions): Promise<number> {
  const ctx = inBundle(caller, options);
  try {
    return options.detach ? await runDetached(ctx, options) : await runForeground(ctx, options);
  } catch (error) {
    throw prefixed('runc run failed: ', error);
  }
}

async function runDetached(ctx: Context, options: RunOptions): Promise<number> {
  const { record } = await createContainer(ctx, options, { foreground: false, detach: true });
  const { ready } = await startOrRemove(ctx, record);
  await warnOf(ctx, ready());
  return 0;
}

async function runForeground(ctx: Context, options: RunOptions): Promise<number> {
  const relay = new SignalRelay(ctx);
  try {
    const { record, session } = await createContainer(ctx, options, {
      foreground: true,
      detach: false,
      onInit: (init) => relay.to(init),
    });
    relay.resizes(session);
    const { ready } = await startOrRemove(ctx, record);
    const [exited] = await Promise.all([session.exited, warnOf(ctx, ready(ctx.pid))]);
    const status = exitCode(exited);
    if (!options.keep) await removeQuietly(ctx, options.id);
    return status;
  } finally {
    relay.stop();
  }
}

async function startOrRemove(ctx: Context, record: ContainerRecord): Promise<Started> {
  try {
    return await startCreated(ctx, record);
  } catch (error) {
    await removeQuietly(ctx, record.id);
    throw error;
  }
}

/** The program runs, whatever a service manager hears of it. */
async function warnOf(ctx: Context, telling: Promise<void>): Promise<void> {
  try {
    await telling;
  } catch (error) {
    ctx.log.warning(messageOf(error));
  }
}

/** What goes wrong with it changes neither the status nor the error of the run. */
async function removeQuietly(ctx: Context, id: string): Promise<void> {
  try {
    await remove(ctx, id, { force: true });
  } catch (error) {
    ctx.log.warning(messageOf(error));
  }
}
