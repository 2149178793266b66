/**
 * System calls that Node does not offer, or not cheaply, by the addon in `src/addon.cc`. It is loaded by the
 * operations that need it: those that only read state do without.
 */
import { createRequire } from 'node:module';

/** What the addon exports: each call gives its result, or minus errno. */
interface Addon {
  bindDatagrams(path: string): number;
  connect(path: string): number;
  connectDatagrams(path: string): number;
  flock(fd: number, operation: number): number;
  mkfifo(path: string, mode: number): number;
  pidfdOpen(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  sendDescriptor(socket: number, text: string, fd: number): number;
  socketpair(): [number, number] | number;
  spawn(path: string, args: readonly string[], fds: readonly number[]): number;
  umount(path: string, flags: number): number;
  waitpid(pid: number): number;
  watch(fd: number, callback: () => void): (() => void) | number;
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

  /**
   * Starts a program in a session of its own, in directory `/`, with an empty environment.
   * It costs a third of what node:child_process does, which forks.
   * @param path Absolute.
   * @param fds `fds[N]` becomes descriptor N.
   * @returns The process id, to be waited for.
   */
  spawn(path: string, args: readonly string[], fds: readonly number[]): number {
    return checked('spawn', this.#addon.spawn(path, args, fds));
  }

  /** Takes a child's end, waitpid(2): its wait status. It must have ended. */
  waitProcess(pid: number): number {
    return checked('waitpid', this.#addon.waitpid(pid));
  }

  /** socketpair(2): two connected stream sockets, close-on-exec. */
  socketPair(): [number, number] {
    const pair = this.#addon.socketpair();
    if (typeof pair === 'number') throw new SystemCallError('socketpair', pair);
    return pair;
  }

  /** A stream connected to a unix socket, unix(7): a close-on-exec descriptor. */
  connect(path: string): number {
    return checked('connect', this.#addon.connect(path));
  }

  /** The same with datagrams, to which `@` is the zero byte of an abstract address. */
  connectDatagrams(path: string): number {
    return checked('connect', this.#addon.connectDatagrams(path));
  }

  /** A new unix socket, unix(7), from which datagrams are read, or EAGAIN. */
  bindDatagrams(path: string): number {
    return checked('bind', this.#addon.bindDatagrams(path));
  }

  /** Sends a text and with it a descriptor, SCM_RIGHTS. */
  sendDescriptor(socket: number, text: string, fd: number): void {
    checked('sendmsg', this.#addon.sendDescriptor(socket, text, fd));
  }

  /**
   * Calls back whenever a descriptor can be read without waiting, has ended, or, of a process, when
   * the process has. To be stopped, by the returned function, before the descriptor is closed.
   */
  watch(fd: number, callback: () => void): () => void {
    const stop = this.#addon.watch(fd, callback);
    if (typeof stop === 'number') throw new SystemCallError('epoll_ctl', stop);
    return stop;
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
