/** Runs bin/pinion as an engine does: by its path, with a state directory of its own. */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const HOME = join(import.meta.dirname, '..');
export const PINION = join(HOME, 'bin/pinion');

export interface Result {
  /** Exit status; null when a signal ended it. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface PinionOptions {
  /** State directory, as from temporaryDirectory(). */
  root: string;
  cwd?: string;
  /** The whole environment; empty unless given. */
  env?: Record<string, string>;
  /** What the command reads on stdin; nothing unless given. */
  input?: string;
  /** Program to run in place of bin/pinion (a symlink to it, another runtime). */
  program?: string;
}

/** Runs one command to its end. The streams are pipes that are read to the end of file. */
export function pinion(args: readonly string[], options: PinionOptions): Promise<Result> {
  const { root, cwd, env = {}, input = '', program = PINION } = options;
  return execute(program, ['--root', root, ...args], { cwd, env, input });
}

/** Runs a program to its end, its streams read to the end of file. */
export function execute(
  program: string,
  args: readonly string[],
  { cwd, env, input = '' }: { cwd?: string | undefined; env?: NodeJS.ProcessEnv; input?: string },
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: 'pipe' });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, ...output }));
    // A command that does not read its input is no error.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** A directory that is removed when the test is over. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'pinion-test-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
