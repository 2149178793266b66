import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Environment, SignalSource, Stdio } from '../oci/context.ts';

/** The process that asks for an operation: everything a command may know of it. */
export interface Caller {
  /** Working directory, absolute. */
  readonly cwd: string;
  readonly env: Environment;
  readonly stdio: Stdio;
  readonly pid: number;
  /** Effective user and group id. */
  readonly euid: number;
  readonly egid: number;
  /** Whether this is an ordinary user of the host, or root of a user namespace only. */
  readonly rootless: boolean;
  readonly signals: SignalSource;
  /** The folder of this installation, absolute: the monitor and the kernel image are under it. */
  readonly home: string;
}

/** This process as the caller: the only place that reads the process's own state. */
export function processCaller(): Caller {
  return {
    cwd: process.cwd(),
    env: process.env,
    stdio: { stdin: 0, stdout: 1, stderr: 2 },
    pid: process.pid,
    euid: process.geteuid?.() ?? 0,
    egid: process.getegid?.() ?? 0,
    rootless: process.geteuid?.() !== 0 || inUserNamespace(),
    signals: { subscribe },
    // Source and bundle both lie one folder below the installation's.
    home: join(import.meta.dirname, '..'),
  };
}

/** The first one maps all ids, of which the last number is none (user_namespaces(7)). */
function inUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
}

/** Cannot be caught, are the process's own faults, or are about its own children and sockets. */
const NOT_FORWARDED = new Set<string>([
  ...['SIGKILL', 'SIGSTOP'],
  ...['SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGSYS', 'SIGTRAP', 'SIGABRT', 'SIGPROF'],
  ...['SIGCHLD', 'SIGURG', 'SIGPIPE'],
]);

function subscribe(listener: (signal: NodeJS.Signals) => void): () => void {
  const signals = catchableSignals();
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}

/** One name for each signal number: some have two (SIGIO is SIGPOLL). */
function catchableSignals(): NodeJS.Signals[] {
  const names = Object.keys(constants.signals) as NodeJS.Signals[];
  const excluded = new Set(
    names.filter((n) => NOT_FORWARDED.has(n)).map((n) => constants.signals[n]),
  );
  const byNumber = new Map(names.map((name) => [constants.signals[name], name]));
  return [...byNumber].filter(([number]) => !excluded.has(number)).map(([, name]) => name);
}
