/** Descriptors from 3 on that the container inherits. */
import { readlinkSync } from 'node:fs';
import type { Context } from '../context.ts';
import { OciError, systemError } from '../errors.ts';

/**
 * How many sockets a service manager hands over, sd_listen_fds(3): the variables count only for
 * the process that they name.
 */
export function listenFds({ env, pid }: Context): number {
  if (env.LISTEN_PID !== String(pid)) return 0;
  const count = Number(env.LISTEN_FDS ?? 0);
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/**
 * Throws unless the caller has passed all descriptors of `--preserve-fds`. Where one is missing,
 * the first of Node's own event descriptors has taken its number.
 * @param base The first of them.
 */
export function checkPreservedFds(base: number, count: number): void {
  for (let index = 0; index < count; index++) {
    const what = `unable to stat preserved-fd ${index} (of ${count})`;
    const link = `/proc/self/fd/${base + index}`;
    let target: string;
    try {
      target = readlinkSync(link);
    } catch (error) {
      throw systemError(`${what}: stat ${link}`, error);
    }
    if (/^anon_inode:\[(eventpoll|eventfd|io_uring)\]$/.test(target)) {
      throw new OciError(
        'ERR_PINION_PRESERVE_FDS',
        `${what}: stat ${link}: no such file or directory`,
      );
    }
  }
}
