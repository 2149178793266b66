import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import type { Context } from '../context.ts';
import { systemError } from '../errors.ts';
import { StateStore } from '../state/store.ts';

/** Bytes of the file that guests count in: `unikernel/abi/src/missing.rs`. */
export const MISSING_BYTES = 4096;

/** A system call, or a command of one, that a container's programs asked for in vain. */
export interface Missing {
  call: string;
  number: number;
  command?: number;
  /** The name of the error that they were answered with. */
  error: string;
  reason: string;
  count: number;
}

/** What a container's programs asked for that Pinion refuses, while they run and after. */
export async function missing(ctx: Context, id: string): Promise<Missing[]> {
  const store = new StateStore(ctx.root);
  store.read(id);
  const path = store.missing(id);
  let counts: Buffer;
  try {
    counts = readCounts(path);
  } catch (error) {
    throw systemError(`open ${path}`, error);
  }
  // The monitor knows the names. It is a short text of its own, whatever the guests have counted.
  const text = execFileSync(ctx.monitor, ['missing'], { input: counts, encoding: 'utf8' });
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Missing);
}

/** What follows the counts in the file is the monitors' own. */
function readCounts(path: string): Buffer {
  const counts = Buffer.alloc(MISSING_BYTES);
  const file = openSync(path, 'r');
  try {
    readSync(file, counts, 0, MISSING_BYTES, 0);
  } finally {
    closeSync(file);
  }
  return counts;
}
