/** The files of control groups that statistics come from. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A container's groups, one directory for each hierarchy. */
export class GroupFiles {
  readonly #directories: readonly string[];

  constructor(directories: readonly string[]) {
    this.#directories = directories;
  }

  /** The text of the first group's file of that name; empty where there is none. */
  text(file: string): string {
    for (const directory of this.#directories) {
      const path = join(directory, file);
      if (!existsSync(path)) continue;
      try {
        return readFileSync(path, 'latin1').trim();
      } catch {
        // The group has gone meanwhile, or the kernel has no such value.
      }
    }
    return '';
  }

  has(file: string): boolean {
    return this.#directories.some((directory) => existsSync(join(directory, file)));
  }

  /** 0 where there is none, and for `max`. */
  number(file: string): number {
    const value = Number(this.text(file));
    return Number.isFinite(value) ? value : 0;
  }

  /** The same; `max`, and what a number cannot hold, is the largest that the kernel has. */
  limit(file: string): number {
    const text = this.text(file);
    return text === 'max' ? 2 ** 64 : Number(text);
  }

  /** Lines of a name and a number (`memory.stat`). */
  table(file: string): Record<string, number> {
    const lines = this.text(file).split('\n');
    return Object.fromEntries(
      lines.flatMap((line): [string, number][] => {
        const [name, value] = line.split(' ');
        return name === undefined || value === undefined ? [] : [[name, Number(value)]];
      }),
    );
  }

  /** Lines of words. */
  rows(file: string): string[][] {
    return this.text(file)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split(/\s+/));
  }
}

/** The numbers that a list such as `0-3,7` names. */
export function listed(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === undefined) return [];
    const start = Number(first);
    return Array.from({ length: Number(last ?? first) - start + 1 }, (_, index) => start + index);
  });
}
