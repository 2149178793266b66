import { describe, expect, it } from 'vitest';
import { OciError } from '../../../oci/errors.ts';
import { parseConfig } from '../../../oci/spec/index.ts';
import { SAMPLE } from './sample.ts';

const MINIMAL = { ociVersion: '1.3.0', process: { cwd: '/', args: ['a'] } };

/** The error of a text, which must be in one line and of the class for users. */
function errorOf(source: string | Uint8Array): string {
  try {
    parseConfig(source);
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    expect(error.code).toBe('ERR_PINION_CONFIG');
    expect(error.message).not.toMatch(/[\n\r]/);
    return error.message;
  }
  throw new Error(`accepted: ${source.slice(0, 100)}`);
}

const withProcess = (process: object) => JSON.stringify({ ociVersion: '1.3.0', process });

describe('what is not JSON', () => {
  it.each([
    ['', 'line 1, column 1: expected a value, found the end of the file'],
    ['{]', 'line 1, column 2: expected a property name or "}", found "]"'],
    ['{"a": 1,}', 'line 1, column 9: expected a property name, found "}"'],
    ['{"a" 1}', 'line 1, column 6: expected ":", found "1"'],
    ['{\n  "a": x\n}', 'line 2, column 8: expected a value, found "x"'],
    ['{"a": [1, 2}', 'line 1, column 12: expected "," or the end of the list or object, found "}"'],
    ['[1,]', 'line 1, column 4: expected a value, found "]"'],
    ['{} {}', 'line 1, column 4: expected the end of the file, found "{"'],
    ['{"a": "b', 'line 1, column 7: a string without its end'],
    ['{"a": "b\tc"}', 'line 1, column 9: a control character in a string'],
    ['{"a": "b\\x"}', 'line 1, column 9: a wrong escape in a string'],
    ['{"a": 01}', 'line 1, column 8: expected "," or the end of the list or object, found "1"'],
    ['// no comments\n{}', 'line 1, column 1: expected a value, found "/"'],
    ['\u{feff}{}', 'line 1, column 1: expected a value, found "\u{feff}"'],
    [
      '['.repeat(200_000),
      'line 1, column 200001: expected a value or "]", found the end of the file',
    ],
  ])('%j', (text, message) => {
    expect(errorOf(text)).toBe(`config.json: ${message}`);
  });

  it('tells bytes that are no UTF-8', () => {
    expect(errorOf(Uint8Array.of(0x22, 0xff, 0x22))).toBe('config.json: not UTF-8');
  });
});

describe('what is bounded', () => {
  it('refuses a huge text', () => {
    expect(errorOf(' '.repeat(4 * 1024 * 1024 + 1))).toBe('config.json: larger than 4194304 bytes');
  });

  it('refuses deep nesting, also with large integers in it', () => {
    const deep = `${'['.repeat(100_000)}99999999999999999999${']'.repeat(100_000)}`;
    expect(errorOf(deep)).toBe('config.json: nested more than 64 levels deep');
    expect(errorOf(`{"x":${deep}}`)).toBe('config.json: nested more than 64 levels deep');
  });

  it('cuts what it shows of a value', () => {
    const text = JSON.stringify({ ...MINIMAL, root: 'x'.repeat(1000) });
    expect(errorOf(text)).toMatch(/^config\.json: root: expected an object, found "x{56}\.\.\.$/);
  });
});

describe('what the specification refuses', () => {
  it.each([
    [{ process: { cwd: '/', args: [3] } }, 'process.args[0]: expected a string, found 3'],
    [{ process: { cwd: '/', args: 'sh' } }, 'process.args: expected a list, found "sh"'],
    [{ root: {} }, 'root.path: missing'],
    [
      { linux: { namespaces: [{ type: 'x' }] } },
      /namespaces\[0\]\.type: expected one of mount, pid/,
    ],
    [{ linux: { sysctl: { 'a b': 1 } } }, 'linux.sysctl["a b"]: expected a string, found 1'],
    [{ linux: { sysctl: { 'a/b~c': 1 } } }, 'linux.sysctl["a/b~c"]: expected a string, found 1'],
    [{ hooks: { poststop: [{ path: 3 }] } }, 'hooks.poststop[0].path: expected a string, found 3'],
    [{ annotations: [] }, 'annotations: expected an object, found a list'],
    [
      { process: { cwd: '/', args: ['a'], rlimits: [{ type: 'NOFILE', soft: 1, hard: 1 }] } },
      'process.rlimits[0].type: expected a string like ^RLIMIT_[A-Z]+$, found "NOFILE"',
    ],
    [
      { process: { cwd: '/', args: ['a'], user: { uid: -1 } } },
      'process.user.uid: expected an integer >= 0, found -1',
    ],
    [
      { process: { cwd: '/', args: ['a'], user: { uid: 4294967296 } } },
      'process.user.uid: expected an integer <= 4294967295, found 4294967296',
    ],
    [
      { linux: { resources: { pids: { limit: 1.5 } } } },
      'linux.resources.pids.limit: expected an integer of the range of int64, found 1.5',
    ],
    [
      {
        linux: {
          seccomp: {
            defaultAction: 'SCMP_ACT_LOG',
            syscalls: [{ names: [], action: 'SCMP_ACT_LOG' }],
          },
        },
      },
      'linux.seccomp.syscalls[0].names: expected a list of at least 1, found a list',
    ],
  ])('%j', (properties, message) => {
    const error = errorOf(JSON.stringify({ ...MINIMAL, ...properties }));
    if (message instanceof RegExp) expect(error).toMatch(message);
    else expect(error).toBe(`config.json: ${message}`);
  });

  it.each([
    ['3', 'config.json: expected an object, found 3'],
    ['null', 'config.json: expected an object, found null'],
    ['{}', 'config.json: ociVersion: missing'],
    ['{"ociVersion": "2.0.0"}', 'config.json: ociVersion: 2.0.0 is not supported'],
    ['{"ociVersion": "one"}', 'config.json: ociVersion: "one" is not a version'],
  ])('%s', (text, message) => {
    expect(errorOf(text)).toBe(message);
  });
});

describe("runc's texts", () => {
  it.each([
    [withProcess({ args: ['a'] }), 'Cwd property must not be empty'],
    [withProcess({ cwd: '', args: ['a'] }), 'Cwd property must not be empty'],
    [withProcess({ cwd: 'x', args: ['a'] }), 'Cwd must be an absolute path'],
    [withProcess({ cwd: '/' }), 'args must not be empty'],
    [withProcess({ cwd: '/', args: [] }), 'args must not be empty'],
    [withProcess({ cwd: '/', args: null }), 'args must not be empty'],
  ])('%s', (text, message) => {
    expect(errorOf(text)).toBe(message);
  });
});

describe('what callers write', () => {
  it('takes null for absent, at every depth', () => {
    const text = JSON.stringify({
      ...MINIMAL,
      linux: { resources: null, devices: [], seccomp: null },
    });
    expect(parseConfig(text)).toEqual({ ...MINIMAL, linux: { devices: [] } });
  });

  it('keeps large integers exact', () => {
    const text = withProcess({ cwd: '/', args: ['a'], rlimits: [] }).replace(
      '[]',
      '[{"type":"RLIMIT_CORE","soft":9007199254740993,"hard":18446744073709551615}]',
    );
    // The first [] is that of rlimits: args is not empty.
    expect(parseConfig(text).process?.rlimits).toEqual([
      { type: 'RLIMIT_CORE', soft: 9007199254740993n, hard: 18446744073709551615n },
    ]);
  });

  it.each(['18446744073709551616', '-1', '1e30', '0.5'])('refuses the limit %s', (number) => {
    const limits = `[{"type":"RLIMIT_CORE","soft":0,"hard":${number}}]`;
    const text = `{"ociVersion":"1.0.0","process":{"cwd":"/","args":["a"],"rlimits":${limits}}}`;
    expect(errorOf(text)).toMatch(/rlimits\[0\]\.hard: expected an integer of the range of uint64/);
  });

  it('takes the sample, from bytes too', () => {
    const bytes = new TextEncoder().encode(JSON.stringify(SAMPLE));
    expect(parseConfig(bytes)).toEqual(SAMPLE);
  });

  it('takes recursive propagation of the root, which containerd passes', () => {
    const text = JSON.stringify({ ...MINIMAL, linux: { rootfsPropagation: 'rslave' } });
    expect(parseConfig(text).linux?.rootfsPropagation).toBe('rslave');
  });

  it('reports unknown properties and keeps going', () => {
    const unknown: string[] = [];
    const text = JSON.stringify({
      ...MINIMAL,
      colour: 'red',
      annotations: { any: 'thing' },
      mounts: [{ destination: '/', type: 'x', 'odd key': { deeper: 1 } }],
      linux: { resources: { oomScoreAdj: 1 } },
    });
    parseConfig(text, { onUnknown: (path) => unknown.push(path) });
    expect(unknown).toEqual(['colour', 'mounts[0]["odd key"]', 'linux.resources.oomScoreAdj']);
  });
});

describe('hostile documents', () => {
  it.each(['__proto__', 'constructor', 'hasOwnProperty', 'toString'])('with the key %s', (key) => {
    const unknown: string[] = [];
    const text = `{"ociVersion":"1.0.0","${key}":{"polluted":true},"annotations":{"${key}":"x"},
      "process":{"cwd":"/","args":["a"],"${key}":{"polluted":true}}}`;
    const config = parseConfig(text, { onUnknown: (path) => unknown.push(path) });
    expect(unknown).toEqual([key, `process.${key}`]);
    expect(Object.getPrototypeOf(config)).toBe(Object.prototype);
    expect(Object.hasOwn({}, 'polluted') || 'polluted' in {}).toBe(false);
  });

  it.each([
    [{ args: ['a\0b'] }, 'config.json: process.args[0]: contains a null byte'],
    [{ args: ['\ud800'] }, 'config.json: process.args[0]: is not well-formed Unicode'],
    [{ args: ['a'], 'x\0': 1 }, 'config.json: process["x\\u0000"]: contains a null byte'],
  ])('%j', (process, message) => {
    expect(errorOf(withProcess({ cwd: '/', ...process }))).toBe(message);
  });

  it('gives one error in one line for any text', () => {
    const alphabet = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"process"',
      '1',
      '-',
      'e9',
      '\\',
      '\n',
      '\0',
    ];
    let seed = 1;
    for (let i = 0; i < 3000; i++) {
      let text = '';
      for (let j = 0; j < i % 20; j++) {
        seed = (seed * 48271) % 2147483647;
        text += alphabet[seed % alphabet.length];
      }
      expect(errorOf(text)).toMatch(/^config\.json: /);
    }
  });
});
