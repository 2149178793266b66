import { appendFileSync, closeSync, openSync } from 'node:fs';
import type { Logger } from '../oci/context.ts';
import { OciError, systemError } from '../oci/errors.ts';
import { write } from './write.ts';

type Level = 'error' | 'warning' | 'info' | 'debug';
type Format = (level: Level, message: string, time: string) => string;

export interface LogOptions {
  /** `--log`, absolute; undefined or empty for records on stderr. */
  file: string | undefined;
  /** `--log-format`. */
  format: string | undefined;
  debug: boolean;
  stderr: number;
}

/** The record formats of logrus, which engines parse: keys are sorted in JSON. */
const FORMATS: Readonly<Record<string, Format>> = {
  '': textRecord,
  text: textRecord,
  json: (level, msg, time) => `${JSON.stringify({ level, msg, time })}\n`,
};

/**
 * A logger as runc's: records go to the file, or to stderr. With a file an error's plain message
 * goes to stderr, too. Throws an OciError when the options cannot be met.
 */
export function createLogger(options: LogOptions): Logger {
  const format = options.format ?? '';
  const record = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  if (record === undefined) {
    throw new OciError('ERR_PINION_LOG_FORMAT', `invalid log-format: ${format}`);
  }
  const file = options.file === '' ? undefined : options.file;
  if (file !== undefined) probe(file);

  const log = (level: Level, message: string): void => {
    const line = record(level, message, new Date().toISOString().replace(/\.\d+Z$/, 'Z'));
    if (file === undefined) {
      write(options.stderr, line);
      return;
    }
    try {
      appendFileSync(file, line, { mode: 0o644, flag: 'as' });
    } catch (error) {
      // Like logrus. What is being done goes on: a full disk keeps no container from being deleted.
      const { message } = systemError(`write ${file}`, error);
      write(options.stderr, `Failed to write to log, ${message}\n`);
    }
    if (level === 'error') write(options.stderr, `${message}\n`);
  };
  return {
    debug: (message) => options.debug && log('debug', message),
    info: (message) => log('info', message),
    warning: (message) => log('warning', message),
    error: (message) => log('error', message),
  };
}

/** A log file that cannot be written is an error of its own before anything is done. */
function probe(file: string): void {
  try {
    closeSync(openSync(file, 'as', 0o644));
  } catch (error) {
    throw systemError(`open ${file}`, error);
  }
}

function textRecord(level: Level, message: string, time: string): string {
  return `time="${time}" level=${level} msg=${quote(message)}\n`;
}

/** logrus quotes a value unless all of it is plain. */
function quote(text: string): string {
  return /^[\w./@^+-]+$/.test(text) ? text : JSON.stringify(text);
}
