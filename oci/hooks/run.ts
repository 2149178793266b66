import type { Environment } from '../context.ts';
import { OciError, systemError } from '../errors.ts';
import type { Hook, Hooks } from '../spec/hooks.ts';
import type { ContainerRecord } from '../state/record.ts';
import type { Status } from '../state/types.ts';
import type { Outcome } from './program.ts';

export interface HookOptions {
  /** The runtime's own, for hooks without `env`. */
  env: Environment;
  /** Absolute. */
  cwd: string;
  /** The state document for standard input. */
  state: string;
  /** Ends a hook early: what it waits for has died. */
  signal?: AbortSignal;
  /** Runs the hook inside the container's namespaces, by the monitor. */
  inside?: InsideOptions;
}

export interface InsideOptions {
  /** Absolute path of the monitor's binary. */
  monitor: string;
  /** The container's init, on the host. */
  pid: number;
}

/** The state document that hooks get (runtime-spec, runtime.md "State"). */
export function hookState(record: ContainerRecord, status: Status, pid: number): string {
  const { ociVersion, id, bundle, annotations } = record;
  return JSON.stringify({
    ociVersion,
    id,
    status,
    ...(pid !== 0 && { pid }),
    bundle,
    ...(Object.keys(annotations).length > 0 && { annotations }),
  });
}

/**
 * Runs hooks in order, one at a time; the first that fails ends it with an error.
 * @param first The index that the first has in config.json, for the message.
 */
export async function runHooks(
  kind: keyof Hooks,
  hooks: readonly Hook[],
  options: HookOptions,
  first = 0,
): Promise<void> {
  for (const [index, hook] of hooks.entries()) {
    const failure = await runHook(hook, options);
    if (failure !== undefined) {
      throw new OciError(
        'ERR_PINION_HOOK',
        `error running ${kind} hook #${first + index}: ${failure}`,
      );
    }
  }
}

/** Runs one hook; what went wrong in runc's words, or undefined. */
async function runHook(hook: Hook, options: HookOptions): Promise<string | undefined> {
  const args = hook.args?.length ? hook.args : [hook.path];
  const env = hook.env ?? environmentList(options.env);
  // Most containers have no hooks, and node:child_process is slow to load.
  const { runProgram } = await import('./program.ts');
  const outcome = await runProgram({
    ...(options.inside
      ? inside(options.inside, { path: hook.path, args, env }, options.cwd)
      : { path: hook.path, args, env, cwd: options.cwd }),
    input: options.state,
    timeout: hook.timeout,
    signal: options.signal,
  });
  return describe(hook, outcome);
}

/** The same program as a request to `pinion-vmm hook`, which joins the namespaces first. */
function inside(
  { monitor, pid }: InsideOptions,
  program: { path: string; args: string[]; env: string[] },
  cwd: string,
) {
  return {
    path: monitor,
    args: ['pinion-vmm', 'hook', '--pid', String(pid), '--cwd', cwd],
    env: [],
    cwd: '/',
    request: `${JSON.stringify(program)}\n`,
  };
}

function describe(hook: Hook, outcome: Outcome): string | undefined {
  switch (outcome.kind) {
    case 'exit': {
      if (outcome.code === 0) return undefined;
      return `exit status ${outcome.code}, ${output(outcome)}`;
    }
    case 'signal':
      return `signal: ${signalText(outcome.signal)}, ${output(outcome)}`;
    case 'timeout':
      return `hook ran past specified timeout of ${(hook.timeout ?? 0).toFixed(1)}s`;
    case 'aborted':
      return 'the container died meanwhile';
    case 'failed':
      return `${systemError(`fork/exec ${hook.path}`, outcome.error).message}, stdout: , stderr: `;
  }
}

/** strsignal(3) in Go's words, of the signals that end programs. */
const SIGNAL_TEXTS: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGHUP: 'hangup',
  SIGINT: 'interrupt',
  SIGQUIT: 'quit',
  SIGILL: 'illegal instruction',
  SIGTRAP: 'trace/breakpoint trap',
  SIGABRT: 'aborted',
  SIGBUS: 'bus error',
  SIGFPE: 'floating point exception',
  SIGKILL: 'killed',
  SIGSEGV: 'segmentation fault',
  SIGPIPE: 'broken pipe',
  SIGALRM: 'alarm clock',
  SIGTERM: 'terminated',
};

function signalText(signal: NodeJS.Signals): string {
  return SIGNAL_TEXTS[signal] ?? signal;
}

function output({ stdout, stderr }: { stdout: string; stderr: string }): string {
  return `stdout: ${stdout.trimEnd()}, stderr: ${stderr.trimEnd()}`;
}

function environmentList(env: Environment): string[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
}
