/** Hostile images: a container whose rootfs was made to reach the host, and what of the host it may not touch. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { execute, PINION, type Result } from '../../pinion.ts';
import { Container } from '../lifecycle/container.ts';

export interface Attack {
  args?: readonly string[];
  /** Changes the image. `host` is a directory of the host's that it is after. */
  image?: (rootfs: string, host: string) => void;
  config?: (config: BundleConfig, host: string) => void;
}

/** What stands in the host's directory that no container is given. */
export const SECRET = 'the secret of the host';

/** Executes a program on a new terminal, and ends as it does. */
const ON_TERMINAL =
  'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';

export class HostileContainer extends Container {
  readonly host = join(this.base, 'host');
  readonly rootfs = join(this.bundle, 'rootfs');
  readonly #before: string[];

  constructor({ args = ['/bin/true'], image, config }: Attack) {
    super({ args, edit: (document, base) => config?.(document, join(base, 'host')) });
    mkdirSync(join(this.host, 'directory'), { recursive: true });
    writeFileSync(join(this.host, 'file'), SECRET, { mode: 0o640 });
    image?.(this.rootfs, this.host);
    this.#before = survey(this.host);
  }

  /** Runs it to its end, however that comes; nothing of the host's was changed or read then. */
  async run(...flags: string[]): Promise<Result> {
    const result = await this.launch('run', ...flags);
    this.expectHostUntouched();
    return result;
  }

  /** The same by another program, which executes the command line that follows its own. */
  async within(program: readonly string[], command: 'create' | 'run'): Promise<Result> {
    const [file = '', ...args] = program;
    const line = [PINION, '--root', this.root, command, '--bundle', this.bundle, this.id];
    const result = await execute(file, [...args, ...line], { cwd: this.base });
    this.expectHostUntouched();
    return result;
  }

  /** The same, its caller at a terminal. Its output is the terminal's. */
  async runOnTerminal(): Promise<Result> {
    const result = await this.within(['python3', '-c', ON_TERMINAL], 'run');
    expect(result.stdout).not.toContain(SECRET);
    return result;
  }

  expectHostUntouched(): void {
    expect(survey(this.host)).toEqual(this.#before);
    expect(readFileSync(this.stdout, 'utf8')).not.toContain(SECRET);
    expect(readFileSync(this.stderr, 'utf8')).not.toContain(SECRET);
  }
}

/** Runs the attack: it must work as if the image were honest. */
export async function expectHarmless(attack: Attack): Promise<Result> {
  const result = await new HostileContainer(attack).run();
  expect(result).toMatchObject({ status: 0, stderr: '' });
  return result;
}

/** Runs the attack: it must be refused in one line. */
export async function expectRefused(attack: Attack, error: string | RegExp): Promise<void> {
  const container = new HostileContainer(attack);
  const { status, stdout, stderr } = await container.run();
  // The log's text format escapes quotes.
  expect(stderr.replaceAll(/\\+"/g, '"')).toMatch(error);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stdout).toBe('');
  expect(status).toBe(1);
  expect(await container.leftovers()).toEqual([]);
}

/** Puts something else where the image has a file or a directory. */
export function replace(path: string, make: (path: string) => void): void {
  rmSync(path, { recursive: true, force: true });
  make(path);
}

/** All files below, with what an attacker could change of them. */
function survey(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(directory, name);
      const { mode, uid, gid, size, nlink, mtimeMs } = lstatSync(path);
      return [name, mode.toString(8), uid, gid, size, nlink, mtimeMs].join(' ');
    });
}
