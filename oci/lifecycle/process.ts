/** Signals to processes that may die, and their ids be given out again, at any moment. */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Native } from '../../native/index.ts';
import { errnoOf } from '../errors.ts';
import { identify, isAlive, type ProcessIdentity } from '../state/process.ts';

export const { SIGKILL } = constants.signals;

/** How long what was killed may take to end, in ms; runc's is the same. */
export const KILL_TIMEOUT = 10_000;

/** Sends a signal to exactly this process. False: it is gone, or a zombie. */
export function signalProcess(native: Native, target: ProcessIdentity, signal: number): boolean {
  let pidfd: number;
  try {
    pidfd = native.openProcess(target.pid);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
  try {
    // The descriptor holds on to one process; if that is ours, it stays ours.
    if (!isAlive(target)) return false;
    native.signalProcess(pidfd, signal);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  } finally {
    closeSync(pidfd);
  }
}

/** Waits until it has ended, zombie or not. False: it still runs after `timeout` ms. */
export async function waitForEnd(target: ProcessIdentity, timeout: number): Promise<boolean> {
  const deadline = performance.now() + timeout;
  for (let delay = 1; isAlive(target); delay = Math.min(delay * 2, 20)) {
    if (performance.now() > deadline) return false;
    await sleep(delay);
  }
  return true;
}

/**
 * Kills all that `processes` names, again and again, since they may fork meanwhile.
 * False: some are left after `timeout` ms.
 */
export async function killAll(
  native: Native,
  processes: () => Iterable<number>,
  timeout: number,
): Promise<boolean> {
  const deadline = performance.now() + timeout;
  for (let delay = 1; ; delay = Math.min(delay * 2, 20)) {
    let left = 0;
    for (const pid of processes()) {
      const target = identify(pid);
      if (target !== undefined && signalProcess(native, target, SIGKILL)) left++;
    }
    if (left === 0) return true;
    if (performance.now() > deadline) return false;
    await sleep(delay);
  }
}
