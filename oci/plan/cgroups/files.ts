import { existsSync, readFileSync } from 'node:fs';

/**
 * The text of a file of the cgroup file system; empty where there is none, which is the usual case:
 * an exception would cost more than all the rest of the plan.
 */
export function readFile(path: string): string {
  try {
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
  } catch {
    // Gone in the meantime: the same as never there.
    return '';
  }
}
