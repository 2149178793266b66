import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Native } from '../../native/index.ts';
import { errnoOf, systemError } from '../errors.ts';

/**
 * An exclusive lock of a container's state directory: who creates or deletes the container holds
 * it. The kernel drops it when the process dies, however it dies, and no file is left of it.
 */
export class DirectoryLock {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** `busy`: another process holds it; `gone`: there is no such directory (any more). */
  static try(native: Native, directory: string): DirectoryLock | 'busy' | 'gone' {
    let fd: number;
    try {
      fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 'gone';
      throw systemError(`open ${directory}`, error);
    }
    if (!native.tryLock(fd)) {
      closeSync(fd);
      return 'busy';
    }
    // The holder before us may have removed it, and another may have made it anew.
    if (fstatSync(fd).ino !== statSync(directory, { throwIfNoEntry: false })?.ino) {
      closeSync(fd);
      return 'gone';
    }
    return new DirectoryLock(fd);
  }

  /**
   * Waits until the lock is free, at most `timeout` ms.
   * @param meanwhile Called each time that it is not.
   */
  static async acquire(
    native: Native,
    directory: string,
    timeout: number,
    meanwhile: () => void = () => {},
  ): Promise<DirectoryLock | 'busy' | 'gone'> {
    const deadline = performance.now() + timeout;
    for (let delay = 1; ; delay = Math.min(delay * 2, 20)) {
      const lock = DirectoryLock.try(native, directory);
      if (lock !== 'busy' || performance.now() > deadline) return lock;
      meanwhile();
      await sleep(delay);
    }
  }

  release(): void {
    closeSync(this.#fd);
  }
}
