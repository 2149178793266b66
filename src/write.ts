import { writeSync } from 'node:fs';

/**
 * Writes a whole text to a file descriptor. A descriptor that somebody made non-blocking is waited
 * for; a reader that went away (EPIPE) is no error, as the text has nowhere to go.
 */
export function write(fd: number, text: string): void {
  let bytes = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EPIPE') return;
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
