/** A container under test, and what may be left of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { identify } from '../../../oci/state/process.ts';
import type { State } from '../../../oci/state/types.ts';
import { type BundleConfig, makeBundle } from '../../bundle.ts';
import { PINION, pinion, type Result, temporaryDirectory } from '../../pinion.ts';

export interface ContainerOptions {
  /** The program; sleeps for a minute unless given. */
  args?: readonly string[];
  /** @param base The directory for the test's files. */
  edit?: (config: BundleConfig, base: string) => void;
}

let count = 0;

export class Container {
  readonly id = `lifecycle-${process.pid}-${count++}`;
  /** All files of the test are below. */
  readonly base = temporaryDirectory();
  readonly root = join(this.base, 'state');
  readonly bundle: string;
  readonly stdout = join(this.base, 'stdout');
  readonly stderr = join(this.base, 'stderr');

  constructor({ args = ['/bin/sleep', '60'], edit }: ContainerOptions = {}) {
    for (const file of [this.stdout, this.stderr]) writeFileSync(file, '');
    this.bundle = makeBundle({
      args,
      edit: (config) => {
        config.linux.cgroupsPath = `/${this.id}`;
        edit?.(config, this.base);
      },
    });
    onTestFinished(async () => {
      await this.pinion('delete', '--force', this.id);
      expect(await this.leftovers()).toEqual([]);
    });
  }

  /** Runs a command that starts nothing: its output is read to the end. */
  pinion(...args: string[]): Promise<Result> {
    return pinion(args, { root: this.root });
  }

  /** Starts a command whose standard streams the container inherits: they are files. */
  spawn(args: readonly string[], stdio: number[] = []): ChildProcess {
    const files = [this.stdout, this.stderr].map((path) => openSync(path, 'a'));
    try {
      return spawn(PINION, ['--root', this.root, ...args], {
        env: {},
        stdio: ['ignore', ...files, ...stdio],
      });
    } finally {
      files.forEach(closeSync);
    }
  }

  /** The same, to its end. */
  async launch(command: 'create' | 'run', ...flags: string[]): Promise<Result> {
    return await this.end(this.spawn([command, '--bundle', this.bundle, ...flags, this.id]));
  }

  end(child: ChildProcess): Promise<Result> {
    return new Promise((resolve) => {
      child.once('exit', (status, signal) => {
        const [stdout, stderr] = [this.stdout, this.stderr].map((path) =>
          readFileSync(path, 'utf8'),
        );
        resolve({ status, signal, stdout: stdout ?? '', stderr: stderr ?? '' });
      });
    });
  }

  /** Creates it, which must succeed. */
  async create(...flags: string[]): Promise<void> {
    expect(await this.launch('create', ...flags)).toMatchObject({ status: 0, stderr: '' });
  }

  /** Starts it, which must succeed. */
  async start(): Promise<void> {
    expect(await this.pinion('start', this.id)).toMatchObject({ status: 0, stderr: '' });
  }

  async state(): Promise<State> {
    const { status, stdout, stderr } = await this.pinion('state', this.id);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return JSON.parse(stdout) as State;
  }

  /** Waits for a file that a hook or the program writes, and returns its text. */
  async file(name: string): Promise<string> {
    const path = join(this.base, name);
    await expect.poll(() => existsSync(path), { timeout: 10_000 }).toBe(true);
    return readFileSync(path, 'utf8');
  }

  /** Starts a process in the created container's control groups and gives its id. */
  async addProcess(): Promise<number> {
    const { pid } = await this.state();
    const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
      .split('\n')
      .filter((line) => line.endsWith(`/${this.id}`))
      .map((line) => (line.split(':')[1] ?? '').replace('name=', ''))
      .flatMap((controllers) => (controllers === '' ? ['unified', ''] : [controllers]))
      .map((hierarchy) => join('/sys/fs/cgroup', hierarchy, this.id, 'cgroup.procs'))
      .filter((path) => existsSync(path));
    const child = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    for (const path of groups) writeFileSync(path, String(child.pid));
    return child.pid ?? 0;
  }

  /** What still exists of it: nothing, but processes may take a moment to end. */
  async leftovers(): Promise<string[]> {
    const find = () => [
      ...states(this.root),
      ...cgroups(this.id),
      ...mounts(this.base, this.bundle),
      ...processes(this.base, this.bundle),
    ];
    for (let waited = 0; find().length > 0 && waited < 2000; waited += 50) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return find();
  }
}

function states(root: string): string[] {
  return existsSync(root) ? readdirSync(root).map((name) => `state ${name}`) : [];
}

/** In whatever hierarchy, at its top, where the tests' containers are. */
function cgroups(id: string): string[] {
  const base = '/sys/fs/cgroup';
  return [base, ...readdirSync(base).map((name) => join(base, name))]
    .map((hierarchy) => join(hierarchy, id))
    .filter((path) => existsSync(path));
}

function mounts(...paths: string[]): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => paths.some((path) => line.includes(path)));
}

/** Those with a directory or an open file below the paths. */
function processes(...paths: string[]): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => identify(Number(pid)) !== undefined)
    .filter((pid) => links(pid).some((link) => paths.some((path) => link.startsWith(path))))
    .map((pid) => `process ${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8')}`);
}

function links(pid: string): string[] {
  try {
    const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => `fd/${fd}`);
    return ['cwd', 'root', ...fds].flatMap((name) => {
      try {
        return [readlinkSync(`/proc/${pid}/${name}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}
