/** The count of a container's tasks, in the file that its monitors share: `vmm/src/census.rs`. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { systemError } from '../errors.ts';

/** Where the limit stands in the file, and behind it how many tasks there are: 8 bytes each. */
const OFFSET = 4096;

/** @param limit 0: none. */
export function writeTaskLimit(path: string, limit: bigint): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(limit);
  withFile(path, 'r+', (file) => writeSync(file, bytes, 0, 8, OFFSET));
}

/** The tasks of a container, and their limit; 0: none. */
export function readTasks(path: string): { current: number; limit: number } {
  const bytes = Buffer.alloc(16);
  withFile(path, 'r', (file) => readSync(file, bytes, 0, 16, OFFSET));
  return { current: Number(bytes.readBigUInt64LE(8)), limit: Number(bytes.readBigUInt64LE(0)) };
}

function withFile(path: string, mode: string, act: (file: number) => void): void {
  try {
    const file = openSync(path, mode);
    try {
      act(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw systemError(`open ${path}`, error);
  }
}
