/** Errors of a configuration that is well-formed, but that cannot be carried out. */
import { errnoOf, OciError } from '../errors.ts';

/** Names come from config.json and may hold anything: a message stays in its line. */
function oneLine(message: string): string {
  return message.replace(/[\u0000-\u001f\u007f]/g, (control) =>
    JSON.stringify(control).slice(1, -1),
  );
}

/** A property and what is wrong with it: `config.json: linux.sysctl: ...`. */
export function propertyError(path: string, problem: string): OciError {
  return planError(`config.json: ${path}: ${problem}`);
}

/** A property that the specification defines and Pinion does not have yet. */
export function unsupportedError(path: string, why: string): OciError {
  return new OciError('ERR_PINION_UNSUPPORTED', oneLine(`config.json: ${path}: ${why}`));
}

/** A problem for which runc has a text. */
export function planError(message: string, cause?: unknown): OciError {
  return new OciError('ERR_PINION_CONFIG', oneLine(message), { cause });
}

/** strerror(3) of what looking at a path gives. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EACCES: 'permission denied',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
};

/**
 * Looks at a path.
 * @param context - Before the text for an error: `invalid rootfs: stat /x: no such file...`.
 */
export function looking<T>(context: string, look: () => T): T {
  try {
    return look();
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw planError(`${context}: ${REASONS[errno] ?? errno}`, cause);
  }
}
