import { closeSync, constants, openSync, readSync, unlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, OciError, runcError, systemError } from '../errors.ts';
import { isAlive, type ProcessIdentity } from '../state/process.ts';
import { KILL_TIMEOUT, waitForEnd } from './process.ts';

/** What the init writes when the program runs. Anything else is an error's text. */
const RUNS = '0';

/** How long a living init may take to come to the FIFO, in ms. */
const WRITER_TIMEOUT = 5000;

/**
 * Lets a created container's init go on and waits until it says that the program runs. The init
 * is blocked in opening the FIFO for writing; it may die at any moment. Of several callers, the one
 * that unlinks the FIFO has started the container.
 */
export async function passExecFifo(path: string, init: ProcessIdentity): Promise<void> {
  let fd: number;
  try {
    // Without O_NONBLOCK this would wait for a writer, which may be dead.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw runcError('ERR_PINION_ALREADY_RUNNING');
    throw systemError(`open ${path}`, error);
  }
  try {
    const answer = await readAnswer(fd, init);
    if (answer !== RUNS) {
      // It ends by itself, and whoever sees the error may ask for the state at once.
      await waitForEnd(init, KILL_TIMEOUT);
      throw new OciError('ERR_PINION_START', answer.trimEnd());
    }
  } finally {
    closeSync(fd);
  }
}

async function readAnswer(fd: number, init: ProcessIdentity): Promise<string> {
  const deadline = performance.now() + WRITER_TIMEOUT;
  const chunk = Buffer.alloc(4096);
  let text = '';
  let opened = false;
  for (let delay = 1; ; delay = Math.min(delay * 2, 10)) {
    const alive = isAlive(init);
    const count = tryRead(fd, chunk);
    opened ||= count !== 0;
    if (count === undefined) {
      await sleep(delay);
      continue;
    }
    text += chunk.toString('utf8', 0, count);
    if (text === RUNS) return text;
    if (count > 0) continue;
    if (opened && text !== '') return text;
    if (opened || !alive) throw runcError('ERR_PINION_INIT_DEAD');
    // It went through before, with a `start` that was killed before it could say so.
    if (performance.now() > deadline) throw runcError('ERR_PINION_ALREADY_RUNNING');
    await sleep(delay);
  }
}

/** Bytes read; 0: nobody has the FIFO open for writing; undefined: somebody has, but wrote nothing. */
function tryRead(fd: number, chunk: Buffer): number | undefined {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return undefined;
    throw error;
  }
}
