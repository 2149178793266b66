import { resolve } from 'node:path';
import type { CreateOptions } from '../oci/lifecycle/create.ts';
import type { CommandFlags } from './grammar.ts';

/** What create and run have in common. Paths of flags start at the caller's directory. */
export function createOptions(
  flags: CommandFlags<'create'>,
  id: string,
  cwd: string,
): CreateOptions {
  const path = (given: string | undefined): string | undefined =>
    given === undefined || given === '' ? undefined : resolve(cwd, given);
  return {
    id,
    bundle: resolve(cwd, flags.bundle ?? '.'),
    pidFile: path(flags['pid-file']),
    consoleSocket: path(flags['console-socket']),
    noPivot: flags['no-pivot'],
    noNewKeyring: flags['no-new-keyring'],
    preserveFds: flags['preserve-fds'] ?? 0,
  };
}
