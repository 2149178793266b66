/** Programs that cannot run are refused by `create`, in one line, and leave nothing. */
import { chmodSync, copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BUSYBOX } from '../../bundle.ts';
import { Container } from './container.ts';

const PROGRAM = '/bin/program';

/** A container whose program is the file that `make` writes. */
function withProgram(make: (file: string) => void, ...args: string[]): Container {
  const container = new Container({ args: [PROGRAM, ...args] });
  const file = join(container.bundle, 'rootfs', PROGRAM);
  make(file);
  chmodSync(file, 0o755);
  return container;
}

const text = (content: string) => (file: string) => writeFileSync(file, content);

function forAnotherMachine(file: string): void {
  const bytes = readFileSync(BUSYBOX);
  const [machineAt, arm64] = [18, 183];
  bytes.writeUInt16LE(arm64, machineAt);
  writeFileSync(file, bytes);
}

function truncated(bytes: number): (file: string) => void {
  return (file) => {
    copyFileSync(BUSYBOX, file);
    truncateSync(file, bytes);
  };
}

const REFUSED: [string, (file: string) => void, string][] = [
  ['for another architecture', forAnotherMachine, 'exec format error: not for x86-64'],
  ['with half a header', truncated(32), 'exec format error: the file is truncated'],
  ['with half of its segments', truncated(8192), 'exec format error: the file is truncated'],
  ['that is empty', text(''), 'exec format error: not an ELF file'],
  ['that is text', text('echo\n'), 'exec format error: not an ELF file'],
  // The image has no C library.
  [
    'without its dynamic linker',
    (file) => copyFileSync('/bin/true', file),
    'interpreter /lib64/ld-linux-x86-64.so.2: no such file or directory',
  ],
  [
    'that a missing program reads',
    text('#!/bin/bash\n'),
    'interpreter /bin/bash: no such file or directory',
  ],
];

test.each(REFUSED)('a program %s', async (_, make, error) => {
  const container = withProgram(make);
  const { status, stderr } = await container.launch('create');
  expect(status).toBe(1);
  const prefix = `runc create failed: unable to start container process: exec ${PROGRAM}: `;
  expect(stderr).toMatch(/^[^\n]*level=error[^\n]*\n$/);
  expect(stderr).toContain(`msg="${prefix}${error}"`);
  expect(await container.leftovers()).toEqual([]);
});

test('more arguments than fit', async () => {
  const container = new Container({ args: ['/bin/echo', 'x'.repeat(1 << 20)] });
  const { status, stderr } = await container.launch('create');
  expect(status).toBe(1);
  expect(stderr).toContain('argument list too long');
  expect(await container.leftovers()).toEqual([]);
});

test('a program that needs more memory than its limit is killed', async () => {
  const container = new Container({
    args: ['/bin/sh', '-c', 'exec /bin/busybox tail /dev/zero'],
    edit: ({ linux }) => {
      linux.resources = { memory: { limit: 32 << 20, swap: 32 << 20 } };
    },
  });
  expect(await container.launch('run')).toMatchObject({ status: 137, stderr: '' });
});

test('the loopback interface of a new network namespace is up', async () => {
  const script = 'busybox nc -l -p 7777 -e echo heard & sleep 0.3; busybox nc 127.0.0.1 7777';
  const container = new Container({ args: ['/bin/sh', '-c', script] });
  expect(await container.launch('run')).toMatchObject({ status: 0, stdout: 'heard\n' });
});

describe('a limit of pids', () => {
  const limited = (limit: number, ...args: string[]) =>
    new Container({
      args,
      edit: ({ linux }) => {
        linux.resources = { pids: { limit } };
      },
    });

  test('is of the program alone', async () => {
    const container = limited(1, '/bin/echo', 'text');
    expect(await container.launch('run')).toMatchObject({ status: 0, stdout: 'text\n' });
    expect(await container.leftovers()).toEqual([]);
  });

  test('ends a row of forks', async () => {
    const script = 'for i in 1 2 3 4 5 6 7 8 9; do sleep 9 & echo $i; done';
    const { stdout, stderr } = await limited(7, '/bin/sh', '-c', script).launch('run');
    expect(stdout).toBe('1\n2\n3\n4\n5\n6\n');
    expect(stderr).toContain('fork');
  });

  test('counts those that were killed no more', async () => {
    const script =
      'for i in 1 2 3 4 5 6 7 8 9; do sleep 9 & kill -9 $!; wait; echo $i; done 2>/dev/null';
    const { stdout } = await limited(3, '/bin/sh', '-c', script).launch('run');
    expect(stdout).toBe('1\n2\n3\n4\n5\n6\n7\n8\n9\n');
  });
});

describe('a script', () => {
  test('is read by the program that it names', async () => {
    const script = '#!/bin/sh -e\necho "$0" "$@" $-; false; echo not reached\n';
    const container = withProgram(text(script), 'one', 'two words');
    const { status, stdout } = await container.launch('run');
    expect({ status, stdout }).toEqual({ status: 1, stdout: `${PROGRAM} one two words e\n` });
  });

  test('may be read by a script', async () => {
    const container = withProgram(text('#!/bin/outer with argument\n'), 'last');
    const outer = join(container.bundle, 'rootfs/bin/outer');
    writeFileSync(outer, '#!/bin/echo\n');
    chmodSync(outer, 0o755);
    const { stdout } = await container.launch('run');
    expect(stdout).toBe(`/bin/outer with argument ${PROGRAM} last\n`);
  });
});
