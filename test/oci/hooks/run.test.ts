import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HookOptions, hookState, runHooks } from '../../../oci/hooks/run.ts';
import { identify } from '../../../oci/state/process.ts';
import { recordOf } from '../state/record.ts';

let cwd: string;
let options: HookOptions;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'lifecycle-hooks-'));
  options = { env: { OUTER: 'x' }, cwd, state: '{"id":"c"}' };
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const shell = (script: string) => ({ path: '/bin/sh', args: ['sh', '-c', script] });
const written = (name: string) => readFileSync(join(cwd, name), 'utf8');

test('they run in order, each with the state on standard input and then its end', async () => {
  await runHooks(
    'createRuntime',
    [shell('cat > first; echo 1 >> order'), shell('cat > second; echo 2 >> order')],
    options,
  );
  expect(written('order')).toBe('1\n2\n');
  expect(written('first')).toBe('{"id":"c"}');
  expect(written('second')).toBe('{"id":"c"}');
});

test('arguments are as given, element 0 included; without them the path is', async () => {
  await runHooks(
    'prestart',
    [
      {
        path: '/bin/sh',
        args: ['other', '-c', 'tr "\\0" "|" < /proc/$$/cmdline > out', 'a b', ''],
      },
    ],
    options,
  );
  expect(written('out')).toBe('other|-c|tr "\\0" "|" < /proc/$$/cmdline > out|a b||');
  await runHooks('prestart', [{ path: '/bin/sh' }], { ...options, state: 'echo $0 > name' });
  expect(written('name')).toBe('/bin/sh\n');
});

test('the environment is that of the hook alone, or without one the runtime’s', async () => {
  const script = 'tr "\\0" "\\n" < /proc/$$/environ > env';
  await runHooks('poststop', [{ ...shell(script), env: ['A=1=2', 'B='] }], options);
  expect(written('env').split('\n').filter(Boolean)).toEqual(['A=1=2', 'B=']);
  await runHooks('poststop', [shell(script)], options);
  expect(written('env').split('\n').filter(Boolean)).toEqual(['OUTER=x']);
});

test('the working directory is the one given', async () => {
  await runHooks('createRuntime', [shell('pwd > where')], options);
  expect(written('where')).toBe(`${cwd}\n`);
});

describe('a failure', () => {
  test('ends the row, and names kind, index, status and output', async () => {
    const hooks = [shell('true'), shell('echo out; echo err >&2; exit 3'), shell('echo > third')];
    await expect(runHooks('createRuntime', hooks, options)).rejects.toThrow(
      /^error running createRuntime hook #1: exit status 3, stdout: out, stderr: err$/,
    );
    expect(() => written('third')).toThrow();
  });

  test('by a signal is told in words', async () => {
    await expect(runHooks('poststart', [shell('kill -9 $$')], options)).rejects.toThrow(
      'error running poststart hook #0: signal: killed, stdout: , stderr: ',
    );
  });

  test('to execute names the program', async () => {
    await expect(runHooks('prestart', [{ path: '/no/such' }], options)).rejects.toThrow(
      'error running prestart hook #0: fork/exec /no/such: no such file or directory',
    );
    await expect(runHooks('prestart', [{ path: '/etc/passwd' }], options)).rejects.toThrow(
      'fork/exec /etc/passwd: permission denied',
    );
  });
});

describe('a hook that takes too long', () => {
  test('is killed with its children', async () => {
    const hook = { ...shell('sleep 60 & echo $! > child; wait'), timeout: 1 };
    await expect(runHooks('createContainer', [hook], options)).rejects.toThrow(
      /^error running createContainer hook #0: hook ran past specified timeout of 1\.0s$/,
    );
    await expect.poll(() => identify(Number(written('child')))).toBeUndefined();
  });

  test('is killed when what it waits for has died', async () => {
    const died = new AbortController();
    setTimeout(() => died.abort(), 50);
    const hook = shell('exec sleep 60');
    await expect(
      runHooks('createRuntime', [hook], { ...options, signal: died.signal }),
    ).rejects.toThrow('hook #0: the container died meanwhile');
    await expect(
      runHooks('createRuntime', [hook], { ...options, signal: died.signal }),
    ).rejects.toThrow('hook #0: the container died meanwhile');
  });
});

test('a hook need not read, and may leave a child that holds its output', async () => {
  const state = 'x'.repeat(1_000_000);
  await runHooks('createRuntime', [shell('sleep 5 & echo $! > child')], { ...options, state });
  process.kill(Number(written('child')), 'SIGKILL');
});

test('the state document has what the specification lists, and no empty annotations', () => {
  const record = recordOf();
  expect(JSON.parse(hookState(record, 'stopped', 0))).toEqual({
    ociVersion: '1.3.0',
    id: 'c',
    status: 'stopped',
    bundle: '/b',
  });
  const annotated = { ...record, annotations: { k: 'v' } };
  expect(JSON.parse(hookState(annotated, 'creating', 7))).toEqual({
    ociVersion: '1.3.0',
    id: 'c',
    status: 'creating',
    pid: 7,
    bundle: '/b',
    annotations: { k: 'v' },
  });
});
