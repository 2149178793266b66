import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import type { Readable, Writable } from 'node:stream';

export interface Program {
  /** Absolute. */
  path: string;
  /** argv, its element 0 included. */
  args: readonly string[];
  /** `NAME=value`. */
  env: readonly string[];
  /** Absolute. */
  cwd: string;
  /** All of its standard input. */
  input: string;
  /** All that it can read from descriptor 3. */
  request?: string;
  /** Seconds. */
  timeout: number | undefined;
  /** Ends it early. */
  signal: AbortSignal | undefined;
}

export type Outcome =
  | { kind: 'exit'; code: number; stdout: string; stderr: string }
  | { kind: 'signal'; signal: NodeJS.Signals; stdout: string; stderr: string }
  | { kind: 'timeout' }
  | { kind: 'aborted' }
  /** It could not be executed. */
  | { kind: 'failed'; error: unknown };

/** Characters of output that are kept for the error message, of each stream. */
const OUTPUT_LIMIT = 64 * 1024;

/** How long output is awaited after the end, in ms: a child that lives on may hold the pipes. */
const DRAIN_TIMEOUT = 200;

/** The longest time that setTimeout takes, in ms. */
const TIMER_LIMIT = 2 ** 31 - 1;

/** Runs a program to its end, in a process group of its own that is killed when it is cut short. */
export function runProgram(program: Program): Promise<Outcome> {
  const { input, request, timeout, signal } = program;
  if (signal?.aborted) return Promise.resolve({ kind: 'aborted' });
  let child: ChildProcess;
  try {
    child = launch(program);
  } catch (error) {
    return Promise.resolve({ kind: 'failed', error });
  }
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  send(child.stdin, input);
  if (request !== undefined) send(child.stdio[3] as Writable, request);

  return new Promise((resolve) => {
    let cut: 'timeout' | 'aborted' | undefined;
    const cutShort = (kind: 'timeout' | 'aborted') => {
      cut ??= kind;
      killGroup(child);
    };
    const abort = () => cutShort('aborted');
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(cutShort, Math.min(timeout * 1000, TIMER_LIMIT), 'timeout');
    signal?.addEventListener('abort', abort);

    const finish = (outcome: Outcome) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      for (const stream of child.stdio) stream?.destroy();
      resolve(outcome);
    };
    child.once('error', (error) => finish({ kind: 'failed', error }));
    child.once('exit', (code, deadly) => {
      clearTimeout(timer);
      if (cut !== undefined) return finish({ kind: cut });
      if (code === 0) return finish({ kind: 'exit', code, stdout: '', stderr: '' });
      const drained = () => {
        clearTimeout(drain);
        const output = { stdout: stdout(), stderr: stderr() };
        if (deadly !== null) finish({ kind: 'signal', signal: deadly, ...output });
        else finish({ kind: 'exit', code: code ?? 1, ...output });
      };
      const drain = setTimeout(drained, DRAIN_TIMEOUT);
      child.once('close', drained);
    });
  });
}

function launch({ path, args, env, cwd, request }: Program): ChildProcess {
  const [argv0 = path, ...rest] = args;
  return spawn(path, rest, {
    argv0,
    cwd,
    env: Object.fromEntries(env.map(splitVariable)),
    stdio: ['pipe', 'pipe', 'pipe', ...(request === undefined ? [] : ['pipe' as const])],
    detached: true,
  });
}

function splitVariable(variable: string): [string, string] {
  const at = variable.indexOf('=');
  return at < 0 ? [variable, ''] : [variable.slice(0, at), variable.slice(at + 1)];
}

/** Writes all and closes. A program need not read its input. */
function send(stream: Writable | null, text: string): void {
  stream?.on('error', () => {});
  stream?.end(text);
}

function collect(stream: Readable | null): () => string {
  let text = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    text += chunk.slice(0, OUTPUT_LIMIT - text.length);
  });
  return () => text;
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended a moment ago.
  }
}
