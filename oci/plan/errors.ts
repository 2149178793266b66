/** Errors of a configuration that is well-formed, but that cannot be carried out. */
import { OciError } from '../errors.ts';

/** A property and what is wrong with it: `config.json: linux.sysctl: ...`. */
export function propertyError(path: string, problem: string): OciError {
  return new OciError('ERR_PINION_CONFIG', `config.json: ${path}: ${problem}`);
}

/** A property that the specification defines and Pinion does not have yet. */
export function unsupportedError(path: string, why: string): OciError {
  return new OciError('ERR_PINION_UNSUPPORTED', `config.json: ${path}: ${why}`);
}

/** A problem for which runc has a text. */
export function planError(message: string, cause?: unknown): OciError {
  return new OciError('ERR_PINION_CONFIG', message, { cause });
}
