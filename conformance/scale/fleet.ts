/** Many containers of one runtime and one bundle at once. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pss, withDescendants } from '../../bench/idle.ts';

interface Result {
  /** Null if a signal ended it. */
  status: number | null;
  signal: NodeJS.Signals | null;
  /** It took too long, and the signal is from here. */
  late: boolean;
  stdout: string;
  stderr: string;
}

/** Whatever a runtime does at once, it gets this long, in seconds. */
const SECONDS = 300;

export class Fleet {
  readonly ids: readonly string[];
  readonly #runtime: string;
  readonly #bundle: string;
  readonly #directory = mkdtempSync(join(tmpdir(), 'pinion-scale-'));

  constructor(runtime: string, bundle: string, size: number) {
    this.#runtime = runtime;
    this.#bundle = bundle;
    this.ids = Array.from({ length: size }, (_, index) => `scale-${process.pid}-${index}`);
  }

  get root(): string {
    return join(this.#directory, 'state');
  }

  /** One after the other's start, none waits for another. Their streams are files. */
  async create(): Promise<void> {
    await this.#all(async (id) => {
      const log = join(this.#directory, id);
      const file = openSync(log, 'a');
      const child = this.#spawn(['create', '--bundle', this.#bundle, id], ['ignore', file, file]);
      closeSync(file);
      expectSuccess({ ...(await ended(child)), stderr: readFileSync(log, 'utf8') }, id);
    });
  }

  async start(): Promise<void> {
    await this.#all(async (id) => expectSuccess(await this.call('start', id), id));
  }

  /** Each of them runs, and a process in it says what is expected. */
  async expectAnswers(command: readonly string[], expected: string): Promise<void> {
    await this.#all(async (id) => {
      const state = await this.call('state', id);
      if (!state.stdout.includes('"status": "running"')) throw new Error(`${id} does not run`);
      const result = await this.call('exec', id, ...command);
      expectSuccess(result, id);
      if (result.stdout !== expected) throw new Error(`${id} answered ${result.stdout}`);
    });
  }

  /** The proportional set size of one container's processes, in MiB: mean over all. */
  async memory(): Promise<number> {
    const pids = await Promise.all(
      this.ids.map(async (id) => {
        const state: { pid: number } = JSON.parse((await this.call('state', id)).stdout);
        return state.pid;
      }),
    );
    const total = pids.flatMap(withDescendants).reduce((sum, pid) => sum + pss(pid), 0);
    return total / 1024 / pids.length;
  }

  async delete(): Promise<void> {
    await this.#all(async (id) => expectSuccess(await this.call('delete', '--force', id), id));
  }

  /** Whatever happened, nothing of it runs any more. */
  async remove(): Promise<void> {
    await Promise.all(this.ids.map((id) => this.call('delete', '--force', id)));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async call(...args: string[]): Promise<Result> {
    return await ended(this.#spawn(args, ['ignore', 'pipe', 'pipe']));
  }

  #spawn(args: readonly string[], stdio: ('ignore' | 'pipe' | number)[]): ChildProcess {
    return spawn(this.#runtime, ['--root', this.root, ...args], {
      stdio,
      timeout: SECONDS * 1000,
    });
  }

  async #all(one: (id: string) => Promise<void>): Promise<void> {
    const failed = (await Promise.allSettled(this.ids.map(one))).filter(
      (result) => result.status === 'rejected',
    );
    const [first] = failed;
    if (first) throw new Error(`${failed.length} of ${this.ids.length} failed, as ${first.reason}`);
  }
}

function expectSuccess({ status, signal, late, stdout, stderr }: Result, id: string): void {
  const end = late ? `more than ${SECONDS} s` : (status ?? signal);
  if (status !== 0) throw new Error(`${id}: ${end} ${stdout}${stderr}`);
}

function ended(child: ChildProcess): Promise<Result> {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) =>
      resolve({ status, signal, late: child.killed, ...output }),
    );
  });
}
