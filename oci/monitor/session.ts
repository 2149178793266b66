import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Stdio } from '../context.ts';
import { OciError, systemError } from '../errors.ts';
import { type MonitorEvent, parseEvent } from './event.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';

export interface MonitorOptions {
  /** Absolute path of `pinion-vmm`. */
  monitor: string;
  /** Descriptors that become the container's 0, 1 and 2. */
  stdio: Stdio;
  /** How many descriptors from 3 on the container inherits, at the same numbers. */
  preserveFds: number;
}

/** How a process ended: one of both is not null. */
export interface ExitStatus {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** How long a launcher without a control socket may take to end, in ms. */
const ABORT_TIMEOUT = 5000;

/**
 * One `pinion-vmm launch`: the launcher, which makes the container's init, and the control socket.
 * Until `ready`, closing the socket (as the kernel does when this process dies) ends both.
 */
export class MonitorSession {
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #events: MonitorEvent[] = [];
  readonly #died = new AbortController();
  #failure: unknown;
  #wake: () => void = () => {};

  /** The end of the launcher. */
  readonly exited: Promise<ExitStatus>;

  /** @param plan The launch plan. */
  static async launch(options: MonitorOptions, plan: unknown): Promise<MonitorSession> {
    const frame = encodeFrame(plan);
    const session = new MonitorSession(options);
    try {
      await once(session.#child, 'spawn');
    } catch (error) {
      throw systemError(`unable to start container process: fork/exec ${options.monitor}`, error);
    }
    session.#socket.write(frame);
    return session;
  }

  private constructor({ monitor, stdio, preserveFds }: MonitorOptions) {
    const preserved = Array.from({ length: preserveFds }, (_, index) => 3 + index);
    const controlFd = 3 + preserveFds;
    this.#child = spawn(monitor, ['launch', '--control-fd', String(controlFd)], {
      stdio: [stdio.stdin, stdio.stdout, stdio.stderr, ...preserved, 'pipe'],
      cwd: '/',
      env: {},
      // A session of its own: the terminal's signals reach the caller only, who passes them on.
      detached: true,
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#socket = this.#child.stdio[controlFd] as Socket;
    this.#read();
  }

  /** Aborted when the control socket ends: the monitor has died, or wants no more. */
  get died(): AbortSignal {
    return this.#died.signal;
  }

  /** The next event; an error when the monitor reports one, or ends without a word. */
  async next(): Promise<Exclude<MonitorEvent, { event: 'error' }>> {
    while (this.#events.length === 0 && !this.died.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const event = this.#events.shift();
    if (event === undefined) throw this.#failure ?? (await this.#silentDeath());
    if (event.event === 'error') throw new OciError('ERR_PINION_LAUNCH', event.message);
    return event;
  }

  /** The word that the monitor waits for at a pause. */
  proceed(): void {
    this.#socket.write(encodeFrame({ continue: true }));
  }

  /** Closes the socket; before `ready` this makes the launch fail. */
  close(): void {
    this.#socket.destroy();
  }

  /** Gives the launch up and waits for the launcher's end. */
  async abort(): Promise<void> {
    this.close();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ABORT_TIMEOUT);
    await this.exited;
    clearTimeout(timer);
  }

  #read(): void {
    const decoder = new FrameDecoder();
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        this.#events.push(...decoder.push(chunk).map(parseEvent));
      } catch (error) {
        this.#failure = error;
        this.close();
      }
      this.#wake();
    });
    // EPIPE and ECONNRESET say no more than the end of the socket, which follows.
    this.#socket.on('error', () => {});
    this.#socket.once('close', () => {
      this.#died.abort();
      this.#wake();
    });
  }

  async #silentDeath(): Promise<OciError> {
    return monitorDied(await this.exited);
  }
}

/** The launcher ended without an error event: it was killed, or is broken. */
export function monitorDied({ code, signal }: ExitStatus): OciError {
  const end = signal === null ? `exit status ${code}` : `signal ${signal}`;
  const message = `unable to start container process: the monitor died: ${end}`;
  return new OciError('ERR_PINION_MONITOR_DIED', message);
}
