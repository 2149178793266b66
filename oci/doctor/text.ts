import { readFileSync } from 'node:fs';

/** A small file's text; empty when it cannot be read, which tells as much here. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
