/** Test programs in C: built once, and run as a plain process of the host and in a microVM. */
import { execFile } from 'node:child_process';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { execute, HOME, type Result, temporaryDirectory } from '../pinion.ts';

const MONITOR = join(HOME, 'target/release/pinion-vmm');
const KERNEL = join(HOME, 'target/release/pinion-unikernel');
const SOURCES = join(import.meta.dirname, 'programs');
const BUILT = join(HOME, 'build/guest');

const FLAGS = ['-std=gnu11', '-O1', '-static', '-Wall', '-Wextra', '-Werror'];

/** Builds programs/NAME.c, statically linked; returns the program's path. */
export async function build(name: string, ...libraries: string[]): Promise<string> {
  return await buildAs(name, name, ...libraries);
}

/** The same with further flags, under a name of its own. */
export async function buildAs(as: string, name: string, ...flags: string[]): Promise<string> {
  const source = join(SOURCES, `${name}.c`);
  const program = join(BUILT, as);
  const inputs = [source, join(SOURCES, 'check.h'), import.meta.filename];
  if (newest(inputs) < newest([program])) return program;
  mkdirSync(BUILT, { recursive: true });
  const made = `${program}.${process.pid}`;
  await promisify(execFile)('gcc', [...FLAGS, '-o', made, source, ...flags]);
  renameSync(made, program);
  return program;
}

/** Builds programs/NAME.go as a static program; returns its path. */
export async function buildGo(name: string): Promise<string> {
  const source = join(SOURCES, `${name}.go`);
  const program = join(BUILT, name);
  if (newest([source, import.meta.filename]) < newest([program])) return program;
  mkdirSync(BUILT, { recursive: true });
  const env = { ...process.env, CGO_ENABLED: '0', GOCACHE: join(BUILT, 'go-cache') };
  const made = `${program}.${process.pid}`;
  await promisify(execFile)('go', ['build', '-o', made, source], { env });
  renameSync(made, program);
  return program;
}

function newest(files: readonly string[]): number {
  return Math.max(...files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0));
}

export interface RunOptions {
  env?: Record<string, string>;
  input?: string;
  /** Working directory; one of its own unless given. */
  cwd?: string;
}

/** Runs a program as a process of the host. */
export function runNative(program: string, args: readonly string[], options: RunOptions = {}) {
  return run(program, args, options);
}

/** Runs a program in a microVM that sees the host's files. */
export function runGuest(program: string, args: readonly string[], options: RunOptions = {}) {
  const [monitor, ...rest] = guestCommand(program);
  return run(monitor, [...rest, ...args], options);
}

/** The command that runs a program in a microVM. */
export function guestCommand(program: string): [monitor: string, ...args: string[]] {
  return [MONITOR, 'guest', '--kernel', KERNEL, program];
}

function run(file: string, args: readonly string[], options: RunOptions): Promise<Result> {
  const { env = {}, input = '', cwd = temporaryDirectory() } = options;
  return execute(file, args, { cwd, env, input });
}

/** Expects the same output and the same end of a program in both. Returns what it was. */
export async function expectSame(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  const native = await runNative(program, args, options);
  expect(await runGuest(program, args, options)).toEqual(native);
  return native;
}

/** The same, of a program that ends well and whose checks (OK in check.h) all hold. */
export async function expectGood(program: string, args: readonly string[]): Promise<void> {
  const { status, stdout } = await expectSame(program, args);
  expect(status).toBe(0);
  expect(stdout).not.toMatch(/: NO$/m);
}
