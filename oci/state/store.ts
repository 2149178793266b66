import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoOf, runcError, systemError } from '../errors.ts';
import { checkId } from './id.ts';
import { type ContainerRecord, parseRecord } from './record.ts';

/**
 * The state directory: `<root>/<id>/state.json` for each container. Making `<root>/<id>` claims an
 * id; the record in it is replaced as a whole, so that readers need no lock.
 */
export class StateStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** The container's own directory; throws if the id is none. */
  directory(id: string): string {
    checkId(id);
    return join(this.#root, id);
  }

  /** The FIFO that holds the container's init until `start`. */
  execFifo(id: string): string {
    return join(this.directory(id), 'exec.fifo');
  }

  /** The file in which the container's guests count what they ask for in vain. */
  missing(id: string): string {
    return join(this.directory(id), 'missing');
  }

  /** The directory with the socket of sd_notify(3), if the container has one. */
  notify(id: string): string {
    return join(this.directory(id), 'notify');
  }

  has(id: string): boolean {
    return existsSync(this.directory(id));
  }

  /** Takes an id: exactly one of several callers succeeds. */
  claim(id: string): void {
    const directory = this.directory(id);
    try {
      mkdirSync(this.#root, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw systemError(`mkdir ${this.#root}`, error);
    }
    try {
      mkdirSync(directory, { mode: 0o711 });
      chmodSync(directory, 0o711);
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') throw runcError('ERR_PINION_EXISTS');
      throw systemError(`mkdir ${directory}`, error);
    }
  }

  /** Replaces the record. Only the holder of the directory's lock writes. */
  write(record: ContainerRecord): void {
    const file = this.#file(record.id);
    const temporary = `${file}.new`;
    try {
      writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
      renameSync(temporary, file);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw systemError(`write ${file}`, error);
    }
  }

  /** The record, or undefined when there is none: no such container, or half made. */
  find(id: string): ContainerRecord | undefined {
    const file = this.#file(id);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
      throw systemError(`open ${file}`, error);
    }
    return parseRecord(id, text);
  }

  read(id: string): ContainerRecord {
    const record = this.find(id);
    if (record === undefined) throw runcError('ERR_PINION_NOT_FOUND');
    return record;
  }

  /** The ids with a directory, half-made ones included, sorted. */
  ids(): string[] {
    try {
      return readdirSync(this.#root, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
        .sort();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw systemError(`open ${this.#root}`, error);
    }
  }

  /** User id of the directory's owner. */
  owner(id: string): number {
    return statSync(this.directory(id)).uid;
  }

  /** Removes the directory, the record last: who is killed meanwhile can be called again. */
  remove(id: string): void {
    const directory = this.directory(id);
    try {
      for (const name of readdirSync(directory)) {
        if (name !== RECORD) rmSync(join(directory, name), { recursive: true, force: true });
      }
      rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw systemError(`unlinkat ${directory}`, error);
    }
  }

  #file(id: string): string {
    return join(this.directory(id), RECORD);
  }
}

const RECORD = 'state.json';
