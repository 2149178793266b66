/** The specification's 64-bit integers, where fewer bits must do. */
import type { Wide } from '../spec/index.ts';
import { propertyError } from './errors.ts';

const MAX_UINT32 = 2 ** 32 - 1;

export function toUint32(value: Wide, path: string): number {
  if (value < 0 || value > MAX_UINT32) {
    throw propertyError(path, `expected an integer from 0 to ${MAX_UINT32}, found ${value}`);
  }
  return Number(value);
}
