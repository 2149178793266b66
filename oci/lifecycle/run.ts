import { constants } from 'node:os';
import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { messageOf, prefixed } from '../errors.ts';
import type { ExitStatus } from '../monitor/session.ts';
import type { ProcessIdentity } from '../state/process.ts';
import type { ContainerRecord } from '../state/record.ts';
import { type CreateOptions, createContainer, inBundle } from './create.ts';
import { signalProcess } from './process.ts';
import { remove } from './remove.ts';
import { startCreated } from './start.ts';

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
  await startOrRemove(ctx, record);
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
    await startOrRemove(ctx, record);
    const status = exitCode(await session.exited);
    if (!options.keep) await removeQuietly(ctx, options.id);
    return status;
  } finally {
    relay.stop();
  }
}

async function startOrRemove(ctx: Context, record: ContainerRecord): Promise<void> {
  try {
    await startCreated(ctx, record);
  } catch (error) {
    await removeQuietly(ctx, record.id);
    throw error;
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

function exitCode({ code, signal }: ExitStatus): number {
  return signal === null ? (code ?? 255) : 128 + signal;
}

/** Not the container's: the caller's own children, its window, and data out of band. */
const KEPT = new Set<NodeJS.Signals>(['SIGCHLD', 'SIGWINCH', 'SIGURG']);

/** Passes the caller's signals on to the init; those that come before it exists wait for it. */
class SignalRelay {
  readonly #native: Native;
  readonly #unsubscribe: () => void;
  #init: ProcessIdentity | undefined;
  #early: number[] = [];

  constructor(ctx: Context) {
    this.#native = new Native(ctx.addon);
    this.#unsubscribe = ctx.signals.subscribe((signal) => {
      if (!KEPT.has(signal)) this.#pass(constants.signals[signal]);
    });
  }

  to(init: ProcessIdentity): void {
    this.#init = init;
    for (const signal of this.#early.splice(0)) this.#pass(signal);
  }

  stop(): void {
    this.#unsubscribe();
  }

  #pass(signal: number): void {
    if (this.#init === undefined) this.#early.push(signal);
    else signalProcess(this.#native, this.#init, signal);
  }
}
