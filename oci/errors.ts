/**
 * The errors of the OCI side. Engines match on their texts, so where runc has a text it is kept
 * byte for byte.
 */

import { getSystemErrorMessage, getSystemErrorName } from 'node:util';

/** A stable name for programs; texts are for people and engines. */
export type ErrorCode = `ERR_PINION_${string}`;

export interface OciErrorOptions {
  /** Exit status of the command that fails with this error: 1 unless runc has another. */
  exitCode?: number;
  /** What the user can do about it. */
  hint?: string;
  cause?: unknown;
}

/** An error with a one-line message meant for the user and for the `--log` record. */
export class OciError extends Error {
  readonly code: ErrorCode;
  readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: OciErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OciError';
    this.code = code;
    this.exitCode = options.exitCode ?? 1;
    this.hint = options.hint;
  }
}

/**
 * The same error with text before its message ("runc create failed: ...").
 * @param status Exit status of the command, if it is not that of the error.
 */
export function prefixed(prefix: string, error: unknown, status?: number): OciError {
  if (!(error instanceof OciError)) {
    const options = { cause: error, ...(status !== undefined && { exitCode: status }) };
    return new OciError('ERR_PINION_SYSTEM', `${prefix}${messageOf(error)}`, options);
  }
  const { code, message, hint } = error;
  const exitCode = status ?? error.exitCode;
  const options = { exitCode, cause: error, ...(hint !== undefined && { hint }) };
  return new OciError(code, `${prefix}${message}`, options);
}

/** Texts of runc's libcontainer/error.go, start.go, delete.go and utils_linux.go. */
const RUNC_TEXTS = {
  ERR_PINION_ID_EMPTY: 'container id cannot be empty',
  ERR_PINION_ID_FORMAT: 'invalid container ID format',
  ERR_PINION_EXISTS: 'container with given ID already exists',
  ERR_PINION_NOT_FOUND: 'container does not exist',
  ERR_PINION_NOT_RUNNING: 'container not running',
  ERR_PINION_ALREADY_RUNNING: 'cannot start an already running container',
  ERR_PINION_STOPPED: 'cannot start a container that has stopped',
  ERR_PINION_INIT_DEAD: 'container process is already dead',
  ERR_PINION_INIT_ALIVE: 'container init still running',
  ERR_PINION_EXEC_STOPPED: 'cannot exec in a stopped container',
  ERR_PINION_EXEC_PAUSED: 'cannot exec in a paused container (use --ignore-paused to override)',
  ERR_PINION_OOM:
    'unable to start container process: container init was OOM-killed (memory limit too low?)',
  ERR_PINION_NO_ARGS: 'process args cannot be empty',
  ERR_PINION_NOT_PAUSED: 'container not paused',
  ERR_PINION_CONSOLE_MISSING:
    'cannot allocate tty if runc will detach without setting console socket',
  ERR_PINION_CONSOLE_UNUSED: 'cannot use console socket if runc will not detach or allocate tty',
} as const satisfies Record<ErrorCode, string>;

/** An error whose text engines search for. */
export function runcError(code: keyof typeof RUNC_TEXTS, options?: OciErrorOptions): OciError {
  return new OciError(code, RUNC_TEXTS[code], options);
}

/** What libuv says otherwise than strerror(3), whose words engines know. */
const STRERROR: Readonly<Record<string, string>> = {
  EEXIST: 'file exists',
  EISDIR: 'is a directory',
  ENOTEMPTY: 'directory not empty',
  EBUSY: 'device or resource busy',
  ERANGE: 'numerical result out of range',
};

/** A failed system call in the form of Go's os.PathError: `open /x: no such file or directory`. */
export function systemError(operation: string, error: unknown): OciError {
  const errno = error instanceof Error && 'errno' in error ? error.errno : undefined;
  if (typeof errno !== 'number') {
    return new OciError('ERR_PINION_SYSTEM', `${operation}: ${messageOf(error)}`, { cause: error });
  }
  const text = STRERROR[getSystemErrorName(errno)] ?? getSystemErrorMessage(errno);
  return new OciError('ERR_PINION_SYSTEM', `${operation}: ${text}`, { cause: error });
}

/** `errno` name of a failed system call (`ENOENT`), or undefined for any other value. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('errno' in error)) return undefined;
  return typeof error.errno === 'number' ? getSystemErrorName(error.errno) : undefined;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
