/** What must hold of the source text, each by the tool that knows. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const HOME = join(import.meta.dirname, '..');

interface Check {
  name: string;
  command: readonly [string, ...string[]];
}

const CHECKS: readonly Check[] = [
  { name: 'format, lint and import cycles', command: ['node_modules/.bin/biome', 'check'] },
  { name: 'types', command: ['node_modules/.bin/tsc'] },
  { name: 'dead exports and dependencies', command: ['node_modules/.bin/knip'] },
  { name: 'spelling', command: ['codespell'] },
  { name: 'format of Rust', command: ['bin/cargo', 'fmt', '--', '--check', '-l'] },
  {
    name: 'lint of Rust',
    command: ['bin/cargo', 'clippy', '--quiet', '--all-targets', '--', '--deny', 'warnings'],
  },
];

/** Runs every check, shows what the failed ones say, and returns how many passed and failed. */
export function runChecks(): { passed: number; failed: number } {
  const failed = CHECKS.filter((check) => !holds(check)).length;
  return { passed: CHECKS.length - failed, failed };
}

function holds({ name, command: [program, ...args] }: Check): boolean {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: HOME,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const ok = status === 0;
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} check: ${name}\n`);
  if (!ok) process.stdout.write(error === undefined ? stdout + stderr : `${error.message}\n`);
  return ok;
}
