import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { systemError } from '../errors.ts';

/**
 * Writes a pid-file as a whole: decimal, without a newline, the mode left to the umask.
 * @param path Absolute.
 */
export function writePidFile(path: string, pid: number): void {
  const temporary = join(dirname(path), `.${basename(path)}`);
  let fd: number;
  try {
    // What a killed writer has left must not be in the way for ever.
    rmSync(temporary, { force: true });
    fd = openSync(temporary, 'wx', 0o666);
  } catch (error) {
    throw systemError(`open ${temporary}`, error);
  }
  try {
    try {
      writeSync(fd, String(pid));
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw systemError(`write ${path}`, error);
  }
}
