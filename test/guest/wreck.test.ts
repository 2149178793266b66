/** A program that breaks its machine harms nobody else: it ends, or can be ended. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { execute, HOME, temporaryDirectory } from '../pinion.ts';
import { build, runNative } from './programs.ts';

let wreck: string;

beforeAll(async () => {
  wreck = await build('wreck');
});

/** Runs a program in a microVM for a few seconds at most: coreutils' timeout then says 124. */
function runBriefly(program: string, ...args: string[]) {
  const monitor = join(HOME, 'target/release/pinion-vmm');
  const kernel = join(HOME, 'target/release/pinion-unikernel');
  const limit = ['--kill-after=5', '3'];
  return execute('timeout', [...limit, monitor, 'guest', '--kernel', kernel, program, ...args], {
    cwd: temporaryDirectory(),
    env: { PATH: '/usr/bin:/bin' },
  });
}

test('every way to break it ends without a word of the monitor', async () => {
  const names = (await runNative(wreck, [])).stdout.trimEnd().split('\n');
  expect(names.length).toBeGreaterThan(40);
  const ends: Record<string, unknown> = {};
  for (const name of names) {
    const { status, signal, stderr } = await runBriefly(wreck, name);
    ends[name] = status === 0 || status === 124 ? 'ended' : signal;
    // A kernel that notices says what; the monitor itself has nothing to complain about.
    if (/pinion-vmm|panicked/.test(stderr)) ends[name] = stderr;
  }
  const allowed = ['ended', 'SIGSEGV', 'SIGKILL', 'SIGBUS', 'SIGILL', 'SIGTRAP'];
  const others = Object.entries(ends).filter(([, end]) => !allowed.includes(String(end)));
  expect(others).toEqual([]);
}, 240_000);
