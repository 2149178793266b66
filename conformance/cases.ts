/**
 * The cases of a suite: shell scripts in its folder `cases`, each with a head of comments: what it tries, then
 * `# packages: NAME...` (Debian packages that it needs) and, if a minute is too short,
 * `# seconds: N`. What a script prints on its standard output and its exit status must not depend
 * on anything but what it tries.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SECONDS = 60;

export interface Case {
  name: string;
  /** Debian packages that the root filesystem must have. */
  packages: string[];
  /** After this long it has failed. */
  seconds: number;
}

/** All cases in the order of their names. */
export function readCases(directory: string): Case[] {
  const files = readdirSync(directory).filter((file) => file.endsWith('.sh'));
  return files.sort().map((file) => {
    const text = readFileSync(join(directory, file), 'utf8');
    const packages = /^# packages: (.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
    const seconds = Number(/^# seconds: (\d+)$/m.exec(text)?.[1] ?? SECONDS);
    return { name: file.slice(0, -'.sh'.length), packages, seconds };
  });
}
