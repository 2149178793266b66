import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ContainerRecord } from '../../../oci/state/record.ts';
import { StateStore } from '../../../oci/state/store.ts';
import { recordOf } from './record.ts';

let base: string;
let root: string;
let store: StateStore;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'lifecycle-store-'));
  root = join(base, 'a', 'root');
  store = new StateStore(root);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function record(id: string): ContainerRecord {
  return recordOf({
    id,
    annotations: { key: 'value' },
    init: { pid: 1, startTime: 2 },
    hooks: { poststart: [], poststop: [{ path: '/bin/true', args: ['true'], timeout: 3 }] },
  });
}

describe('claim', () => {
  test('makes the root 0700 and the directory 0711, whatever the umask', () => {
    const umask = process.umask(0o077);
    try {
      store.claim('c');
    } finally {
      process.umask(umask);
    }
    expect(statSync(root).mode & 0o7777).toBe(0o700);
    expect(statSync(join(root, 'c')).mode & 0o7777).toBe(0o711);
  });

  test('an id is taken once', () => {
    store.claim('c');
    expect(() => store.claim('c')).toThrow('container with given ID already exists');
  });

  test('says which directory cannot be made', () => {
    writeFileSync(join(base, 'a'), '');
    expect(() => store.claim('c')).toThrow(`mkdir ${root}: not a directory`);
  });
});

describe('records', () => {
  test('come back as they were written', () => {
    store.claim('c');
    store.write(record('c'));
    expect(store.read('c')).toEqual(record('c'));
    expect(statSync(join(root, 'c', 'state.json')).mode & 0o777).toBe(0o600);
  });

  test('an unknown id and a half-made directory do not exist', () => {
    expect(() => store.read('c')).toThrow('container does not exist');
    store.claim('c');
    expect(() => store.read('c')).toThrow('container does not exist');
    expect(store.find('c')).toBeUndefined();
  });

  test.each([
    '',
    '{',
    '[]',
    'null',
    '{"id":"c"}',
    '{"id":"d","ociVersion":"1","bundle":"","rootfs":"","created":""}',
  ])('%j is damaged', (text) => {
    store.claim('c');
    writeFileSync(join(root, 'c', 'state.json'), text);
    expect(() => store.read('c')).toThrow('state.json of container c is damaged');
  });

  test('a full file system is one clear error, and leaves the old record', () => {
    mkdirSync(root, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', root]);
    try {
      store.claim('c');
      store.write(record('c'));
      const large = record('c');
      large.annotations = { filler: 'x'.repeat(100_000) };
      expect(() => store.write(large)).toThrow(
        `write ${root}/c/state.json: no space left on device`,
      );
      expect(store.read('c')).toEqual(record('c'));
      expect(existsSync(`${root}/c/state.json.new`)).toBe(false);
    } finally {
      execFileSync('umount', [root]);
    }
  });
});

describe('ids', () => {
  test('are the sorted directories; a missing root has none', () => {
    expect(store.ids()).toEqual([]);
    store.claim('b');
    store.claim('a');
    writeFileSync(join(root, 'file'), '');
    expect(store.ids()).toEqual(['a', 'b']);
  });
});

test('remove takes everything, and may be called again', () => {
  store.claim('c');
  store.write(record('c'));
  mkdirSync(join(root, 'c', 'notify'));
  chmodSync(join(root, 'c', 'notify'), 0);
  store.remove('c');
  expect(store.has('c')).toBe(false);
  store.remove('c');
});
