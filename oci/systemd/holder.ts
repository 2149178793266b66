import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemError } from '../errors.ts';

/** A scope starts with a process and ends without: this one is in it until the container's is. */
export class Holder {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** It ends by itself when this process does, however that may be. */
  static async start(): Promise<Holder> {
    const env = { PATH: '/usr/bin:/bin' };
    const process = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore'], env });
    try {
      await once(process, 'spawn');
    } catch (error) {
      throw systemError('exec: "cat"', error);
    }
    return new Holder(process);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** To be called once or more. */
  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}
