/**
 * System calls that Node does not offer, by the addon in `src/addon.cc`. It is loaded by the
 * operations that need it: those that only read state do without.
 */
import { createRequire } from 'node:module';

/** What the addon exports: each call gives its result, or minus errno. */
interface Addon {
  flock(fd: number, operation: number): number;
  mkfifo(path: string, mode: number): number;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  umount(path: string, flags: number): number;
}

/** <sys/file.h>, <sys/mount.h> and <asm-generic/errno-base.h>. */
const LOCK_EX = 2;
const LOCK_NB = 4;
const MNT_DETACH = 2;
const EWOULDBLOCK = 11;

/** A failed system call; `errno` is negative, as in Node's own errors. */
export class SystemCallError extends Error {
  readonly errno: number;

  constructor(call: string, errno: number) {
    super(`${call} failed with errno ${-errno}`);
    this.name = 'SystemCallError';
    this.errno = errno;
  }
}

export class Native {
  readonly #addon: Addon;

  /** @param path The built addon, absolute. Loading it again costs nothing. */
  constructor(path: string) {
    this.#addon = createRequire(path)(path) as Addon;
  }

  /** Takes an exclusive lock of an open file or directory, flock(2). False: another has it. */
  tryLock(fd: number): boolean {
    const result = this.#addon.flock(fd, LOCK_EX | LOCK_NB);
    if (result === -EWOULDBLOCK) return false;
    checked('flock', result);
    return true;
  }

  /** mkfifo(3) with exactly this mode. */
  makeFifo(path: string, mode: number): void {
    checked('mkfifo', this.#addon.mkfifo(path, mode));
  }

  /** pidfd_open(2): a close-on-exec descriptor of a process, to be closed by the caller. */
  openProcess(pid: number): number {
    return checked('pidfd_open', this.#addon.pidfdOpen(pid));
  }

  /** pidfd_send_signal(2). */
  signalProcess(pidfd: number, signal: number): void {
    checked('pidfd_send_signal', this.#addon.pidfdSendSignal(pidfd, signal));
  }

  /** Takes a mount away at once, umount2(2) with MNT_DETACH. */
  detachMount(path: string): void {
    checked('umount', this.#addon.umount(path, MNT_DETACH));
  }
}

function checked(call: string, result: number): number {
  if (result < 0) throw new SystemCallError(call, result);
  return result;
}
