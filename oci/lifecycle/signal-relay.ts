import { constants } from 'node:os';
import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import type { ProcessIdentity } from '../state/process.ts';
import { signalProcess } from './process.ts';

/** Not the container's: the caller's own children, its window, and data out of band. */
const KEPT = new Set<NodeJS.Signals>(['SIGCHLD', 'SIGWINCH', 'SIGURG']);

/** Passes the caller's signals on to a process; those that come before it exists wait for it. */
export class SignalRelay {
  readonly #native: Native;
  readonly #unsubscribe: () => void;
  #target: ProcessIdentity | undefined;
  #early: number[] = [];
  #terminal: { resize(): void } | undefined;

  constructor(ctx: Context) {
    this.#native = new Native(ctx.addon);
    this.#unsubscribe = ctx.signals.subscribe((signal) => {
      if (!KEPT.has(signal)) this.#pass(constants.signals[signal]);
      else if (signal === 'SIGWINCH') this.#terminal?.resize();
    });
  }

  to(target: ProcessIdentity): void {
    this.#target = target;
    for (const signal of this.#early.splice(0)) this.#pass(signal);
  }

  /** The size of the caller's terminal is told to who serves the process's. */
  resizes(terminal: { resize(): void }): void {
    this.#terminal = terminal;
  }

  stop(): void {
    this.#unsubscribe();
  }

  #pass(signal: number): void {
    if (this.#target === undefined) this.#early.push(signal);
    else signalProcess(this.#native, this.#target, signal);
  }
}
