import { runcError } from '../errors.ts';

/** Throws unless the id is one that runc takes: a file name of letters, digits and `_ + - .`. */
export function checkId(id: string): void {
  if (id === '') throw runcError('ERR_PINION_ID_EMPTY');
  if (!/^[\w+.-]+$/.test(id) || id === '.' || id === '..') {
    throw runcError('ERR_PINION_ID_FORMAT');
  }
}
