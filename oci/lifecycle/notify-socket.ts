/**
 * NOTIFY_SOCKET of the caller, sd_notify(3), by runc's rules: the container gets a socket of its own, and when its
 * program says there that it is ready, the caller's service manager is told so, and which process that is.
 */
import { chmodSync, closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { errnoOf, systemError } from '../errors.ts';
import type { Config } from '../spec/index.ts';

const IN_CONTAINER = '/run/notify';
const SOCKET = 'notify.sock';

/** How often a program that says nothing is looked after, and how long the manager may take, in ms. */
const TICK = 100;
const BARRIER_TIMEOUT = 30_000;

/** The mount that the container gets, if any. */
export function notifyMount({ env }: Context, directory: string): NonNullable<Config['mounts']> {
  if (!env.NOTIFY_SOCKET) return [];
  const options = ['bind', 'nosuid', 'noexec', 'nodev', 'ro'];
  return [{ destination: IN_CONTAINER, type: 'bind', source: directory, options }];
}

/** The variable that its init gets, if any. */
export function notifyVariable({ env }: Context): string[] {
  return env.NOTIFY_SOCKET ? [`NOTIFY_SOCKET=${join(IN_CONTAINER, SOCKET)}`] : [];
}

export function makeNotifyDirectory({ env }: Context, directory: string): void {
  if (!env.NOTIFY_SOCKET) return;
  try {
    mkdirSync(directory);
    chmodSync(directory, 0o755);
  } catch (error) {
    throw systemError(`mkdir ${directory}`, error);
  }
}

export class NotifySocket {
  readonly #native: Native;
  readonly #fd: number;
  readonly #manager: string;

  private constructor(native: Native, fd: number, manager: string) {
    this.#native = native;
    this.#fd = fd;
    this.#manager = manager;
  }

  /**
   * Makes the container's socket, before its program starts.
   * @param directory Of the state directory; its path may be longer than a socket's may be.
   * @returns Undefined when nobody waits to be told.
   */
  static bind({ env, addon }: Context, directory: string): NotifySocket | undefined {
    if (!env.NOTIFY_SOCKET) return undefined;
    const native = new Native(addon);
    let opened: number | undefined;
    try {
      opened = openSync(directory, 'r');
      const path = `/proc/self/fd/${opened}/${SOCKET}`;
      const fd = native.bindDatagrams(path);
      chmodSync(path, 0o777);
      return new NotifySocket(native, fd, env.NOTIFY_SOCKET);
    } catch (error) {
      throw systemError(`listen unixgram ${join(directory, SOCKET)}: bind`, error);
    } finally {
      if (opened !== undefined) closeSync(opened);
    }
  }

  /**
   * Waits until the program is ready or gone, and tells the manager.
   * @param mainPid The process that the manager is to look after.
   */
  async forward(mainPid: number, isAlive: () => boolean): Promise<void> {
    const ready = await this.#ready(isAlive);
    if (ready === undefined) return;
    let manager: number | undefined;
    try {
      manager = this.#native.connectDatagrams(this.#manager);
      writeSync(manager, `${ready}\n`);
      writeSync(manager, `MAINPID=${mainPid}\n`);
      await this.#barrier(manager);
    } catch (error) {
      throw systemError(`dial unixgram ${this.#manager}`, error);
    } finally {
      if (manager !== undefined) closeSync(manager);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** The line that says so. */
  async #ready(isAlive: () => boolean): Promise<string | undefined> {
    const chunk = Buffer.alloc(4096);
    for (;;) {
      const alive = isAlive();
      for (let text = this.#read(chunk); text !== undefined; text = this.#read(chunk)) {
        const line = text.split('\n').find((one) => one.startsWith('READY='));
        if (line !== undefined) return line;
      }
      if (!alive) return undefined;
      await this.#readable(this.#fd, TICK);
    }
  }

  #read(chunk: Buffer): string | undefined {
    try {
      return chunk.toString('utf8', 0, readSync(this.#fd, chunk));
    } catch (error) {
      if (errnoOf(error) === 'EAGAIN') return undefined;
      throw error;
    }
  }

  async #readable(fd: number, timeout: number): Promise<void> {
    const over = new AbortController();
    let stop = () => {};
    const readable = new Promise<void>((resolve) => {
      stop = this.#native.watch(fd, resolve);
    });
    try {
      await Promise.race([readable, sleep(timeout, undefined, over).catch(() => {})]);
    } finally {
      stop();
      over.abort();
    }
  }

  /** Waits until the manager has taken in all of it, sd_notify_barrier(3): it closes what it is sent. */
  async #barrier(manager: number): Promise<void> {
    const [ours, theirs] = this.#native.socketPair();
    try {
      this.#native.sendDescriptor(manager, 'BARRIER=1', theirs);
    } finally {
      closeSync(theirs);
    }
    try {
      await this.#readable(ours, BARRIER_TIMEOUT);
    } finally {
      closeSync(ours);
    }
  }
}
