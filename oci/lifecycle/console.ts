/** Who serves a process's terminal: a console socket's owner, or this command for the caller. */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { Native, SystemCallError } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { runcError, systemError } from '../errors.ts';
import type { PlanProcess } from '../state/record.ts';

export interface ConsoleOptions {
  /** Nobody is there to serve a terminal when the command has returned. */
  detach: boolean;
  /** Absolute. */
  consoleSocket?: string | undefined;
}

/** runc's rules. */
export function checkConsole(terminal: boolean, { detach, consoleSocket }: ConsoleOptions): void {
  if (detach && terminal && consoleSocket === undefined) {
    throw runcError('ERR_PINION_CONSOLE_MISSING');
  }
  if (consoleSocket !== undefined && !(detach && terminal)) {
    throw runcError('ERR_PINION_CONSOLE_UNUSED');
  }
}

/** What the monitor needs for a terminal: a descriptor, to be closed once it has been passed on. */
export interface Console {
  fd: number;
  close: () => void;
}

/**
 * Opens what serves the terminal: the console socket, connected, or the caller's own terminal.
 * @returns Undefined for a process without a terminal.
 */
export function openConsole(
  ctx: Context,
  { terminal }: PlanProcess,
  { consoleSocket }: ConsoleOptions,
): Console | undefined {
  if (terminal === undefined) return undefined;
  if (consoleSocket !== undefined) return closing(connect(ctx, consoleSocket));
  const { stdin, stdout, stderr } = ctx.stdio;
  const own = [stderr, stdout, stdin].find(isatty);
  if (own !== undefined) return { fd: own, close: () => {} };
  // All streams may be redirected, and there still be a terminal.
  try {
    return closing(openSync('/dev/tty', 'r+'));
  } catch (error) {
    throw systemError('open /dev/tty', error);
  }
}

function closing(fd: number): Console {
  return { fd, close: () => closeSync(fd) };
}

function connect({ addon }: Context, path: string): number {
  try {
    return new Native(addon).connect(path);
  } catch (error) {
    if (error instanceof SystemCallError) {
      throw systemError(`dial unix ${path}: connect`, error);
    }
    throw error;
  }
}
