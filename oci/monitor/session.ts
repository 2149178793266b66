import { closeSync, readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import type { Native } from '../../native/index.ts';
import type { Stdio } from '../context.ts';
import { OciError, systemError } from '../errors.ts';
import { type MonitorEvent, parseEvent } from './event.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';

export interface MonitorOptions {
  native: Native;
  /** Absolute path of `pinion-vmm`. */
  monitor: string;
  /** What it is to do: with a launch plan, or with a join plan. */
  command: 'launch' | 'join';
  /** Descriptors that become the container's 0, 1 and 2. */
  stdio: Stdio;
  /** How many descriptors from 3 on the container inherits, at the same numbers. */
  preserveFds: number;
  /** What serves the process's terminal, if it has one. */
  console?: number | undefined;
}

/** How a process ended: one of both is not null. */
export interface ExitStatus {
  code: number | null;
  /** A signal's number. */
  signal: number | null;
}

/** How long a launcher without a control socket may take to end, in ms. */
const ABORT_TIMEOUT = 5000;

const { SIGKILL, SIGWINCH } = constants.signals;

/**
 * One `pinion-vmm launch` or `join`: the launcher, which makes a process of the container, and the
 * control socket.
 * Until `ready`, closing the socket (as the kernel does when this process dies) ends both.
 */
export class MonitorSession {
  readonly #native: Native;
  /** A pidfd of the launcher, until it has ended. */
  readonly #launcher: number;
  #hasEnded = false;
  #socket: Socket | undefined;
  readonly #events: MonitorEvent[] = [];
  readonly #died = new AbortController();
  #failure: unknown;
  #wake: () => void = () => {};

  /** The end of the launcher. */
  readonly exited: Promise<ExitStatus>;

  /** @param plan The launch plan or the join plan. */
  static launch(options: MonitorOptions, plan: unknown): MonitorSession {
    const frame = encodeFrame(plan);
    const { native, monitor } = options;
    let spawned: { pid: number; socket: number };
    try {
      spawned = spawnLauncher(options);
    } catch (error) {
      throw systemError(`unable to start container process: fork/exec ${monitor}`, error);
    }
    // Before it is watched, which makes it non-blocking: a plan may be longer than a socket holds.
    write(spawned.socket, frame);
    return new MonitorSession(native, spawned.pid, spawned.socket);
  }

  private constructor(native: Native, pid: number, socket: number) {
    this.#native = native;
    this.#launcher = native.openProcess(pid);
    this.exited = this.#end(pid);
    const decoder = new FrameDecoder();
    this.#socket = { fd: socket, stop: native.watch(socket, () => this.#read(decoder)) };
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

  /** The launcher's own end, when it does not stay: an error unless it went well. */
  async detached(): Promise<void> {
    const status = await this.exited;
    if (status.code !== 0) throw monitorDied(status);
  }

  /** The word that the monitor waits for at a pause. */
  proceed(): void {
    if (this.#socket !== undefined) write(this.#socket.fd, encodeFrame({ continue: true }));
  }

  /** Tells the launcher, which serves the terminal, that the caller's has another size. */
  resize(): void {
    if (!this.#hasEnded) this.#native.signalProcess(this.#launcher, SIGWINCH);
  }

  /** Closes the socket; before `ready` this makes the launch fail. */
  close(): void {
    if (this.#socket === undefined) return;
    this.#socket.stop();
    closeSync(this.#socket.fd);
    this.#socket = undefined;
    this.#died.abort();
    this.#wake();
  }

  /** Gives the launch up and waits for the launcher's end. */
  async abort(): Promise<void> {
    this.close();
    const timer = setTimeout(() => {
      this.#native.signalProcess(this.#launcher, SIGKILL);
    }, ABORT_TIMEOUT);
    await this.exited;
    clearTimeout(timer);
  }

  #end(pid: number): Promise<ExitStatus> {
    return new Promise((resolve) => {
      const stop = this.#native.watch(this.#launcher, () => {
        stop();
        this.#hasEnded = true;
        closeSync(this.#launcher);
        resolve(exitStatus(this.#native.waitProcess(pid)));
      });
    });
  }

  #read(decoder: FrameDecoder): void {
    if (this.#socket === undefined) return;
    try {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const count = readChunk(this.#socket.fd, chunk);
      if (count === 0) this.close();
      this.#events.push(...decoder.push(chunk.subarray(0, count)).map(parseEvent));
    } catch (error) {
      this.#failure = error;
      this.close();
    }
    this.#wake();
  }

  async #silentDeath(): Promise<OciError> {
    return monitorDied(await this.exited);
  }
}

interface Socket {
  fd: number;
  /** Ends watching it. */
  stop: () => void;
}

function write(socket: number, frame: Buffer): void {
  try {
    for (let at = 0; at < frame.length; ) at += writeSync(socket, frame, at);
  } catch {
    // EPIPE and ECONNRESET say no more than the end of the socket, which is read next.
  }
}

const CHUNK = 4096;

/** Bytes read; 0 at the end, however it came. */
function readChunk(fd: number, chunk: Buffer): number {
  try {
    return readSync(fd, chunk);
  } catch {
    return 0;
  }
}

function spawnLauncher({ native, monitor, command, stdio, preserveFds, console }: MonitorOptions) {
  const preserved = Array.from({ length: preserveFds }, (_, index) => 3 + index);
  const [socket, theirs] = native.socketPair();
  try {
    const args = [monitor, command, '--control-fd', String(3 + preserveFds)];
    const { stdin, stdout, stderr } = stdio;
    // It leads a session of its own: the terminal's signals reach the caller only, who passes them on.
    const fds = [stdin, stdout, stderr, ...preserved, theirs];
    if (console !== undefined) fds.push(console);
    const pid = native.spawn(monitor, args, fds);
    return { pid, socket };
  } catch (error) {
    closeSync(socket);
    throw error;
  } finally {
    closeSync(theirs);
  }
}

/** Of a wait status: its layout is the same on every Linux (wait(2)). */
function exitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0 ? { code: (status >> 8) & 0xff, signal: null } : { code: null, signal };
}

/** As a shell tells it: the program's status, or 128 and the number of the signal that killed it. */
export function exitCode({ code, signal }: ExitStatus): number {
  return signal === null ? (code ?? 255) : 128 + signal;
}

/** The launcher ended without an error event: it was killed, or is broken. */
function monitorDied({ code, signal }: ExitStatus): OciError {
  const end = signal === null ? `exit status ${code}` : `signal ${signalName(signal)}`;
  const message = `unable to start container process: the monitor died: ${end}`;
  return new OciError('ERR_PINION_MONITOR_DIED', message);
}

function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? String(number);
}
