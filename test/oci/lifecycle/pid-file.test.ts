import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writePidFile } from '../../../oci/lifecycle/pid-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lifecycle-pid-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('is the number alone, replaces what was there, and has the mode of the umask', () => {
  const path = join(directory, 'init.pid');
  writeFileSync(path, 'old and longer');
  writeFileSync(join(directory, '.init.pid'), 'left by a killed writer');
  const umask = process.umask(0o027);
  try {
    writePidFile(path, 4711);
  } finally {
    process.umask(umask);
  }
  expect(readFileSync(path, 'utf8')).toBe('4711');
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(directory)).toEqual(['init.pid']);
});

test('an error names the file and leaves nothing', () => {
  const missing = join(directory, 'no', 'init.pid');
  expect(() => writePidFile(missing, 1)).toThrow(
    `open ${directory}/no/.init.pid: no such file or directory`,
  );
  expect(readdirSync(directory)).toEqual([]);
});
