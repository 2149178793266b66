import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../src/log.ts';
import { temporaryDirectory } from '../pinion.ts';

function logger(options: { file?: string; format?: string; debug?: boolean }) {
  const stderr = join(temporaryDirectory(), 'stderr');
  const log = createLogger({
    file: options.file,
    format: options.format,
    debug: options.debug ?? false,
    stderr: openSync(stderr, 'w'),
  });
  return { log, stderr: () => readFileSync(stderr, 'utf8') };
}

describe('text records', () => {
  it.each([
    ['plain', 'plain'],
    ['two words', '"two words"'],
    ['/a/path_0.1@x^+-', '/a/path_0.1@x^+-'],
    ['', '""'],
    ['a "quote", a \\ and a\nline', '"a \\"quote\\", a \\\\ and a\\nline"'],
  ])('%j', (message, quoted) => {
    const { log, stderr } = logger({});
    log.error(message);
    expect(stderr()).toMatch(/^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg=/);
    expect(stderr()).toContain(`msg=${quoted}\n`);
  });
});

it('debug records are written only when asked for', () => {
  const quiet = logger({});
  quiet.log.debug('x');
  expect(quiet.stderr()).toBe('');
  const debug = logger({ debug: true, format: 'json' });
  debug.log.debug('x');
  expect(JSON.parse(debug.stderr())).toMatchObject({ level: 'debug', msg: 'x' });
});

it('with a file only errors show on stderr, without decoration', () => {
  const file = join(temporaryDirectory(), 'log');
  const { log, stderr } = logger({ file });
  log.warning('a warning');
  log.error('an error');
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(3);
  expect(stderr()).toBe('an error\n');
});

it('a format that does not exist, and a file that cannot be opened, are errors', () => {
  expect(() => logger({ format: 'xml' })).toThrow('invalid log-format: xml');
  expect(() => logger({ format: 'toString' })).toThrow('invalid log-format: toString');
  expect(() => logger({ file: '/nonexistent/log' })).toThrow(
    'open /nonexistent/log: no such file or directory',
  );
});

it('a disk that is full stops nothing', () => {
  const { log, stderr } = logger({ file: '/dev/full' });
  log.error('an error');
  const failure = 'Failed to write to log, write /dev/full: no space left on device';
  expect(stderr()).toBe(`${failure}\nan error\n`);
});
