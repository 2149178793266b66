/** bin/pinion as a program: it needs nothing of its caller. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { execute, HOME, PINION, pinion, temporaryDirectory } from '../pinion.ts';

it('finds its parts from any directory, with an empty environment', async () => {
  const { status, stderr } = await pinion(['list'], { root: temporaryDirectory(), cwd: '/' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

it('finds its parts through symlinks, absolute and relative', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'bin'));
  symlinkSync(PINION, join(directory, 'absolute'));
  symlinkSync('../absolute', join(directory, 'bin/relative'));
  const program = join(directory, 'bin/relative');
  const { status, stderr } = await pinion(['list'], { root: temporaryDirectory(), program });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

it('finds its parts when it is called by a relative path', async () => {
  const { status } = await execute('./pinion', ['--version'], { cwd: join(HOME, 'bin'), env: {} });
  expect(status).toBe(0);
});

it('runs from a read-only file system, where nothing can be cached', async () => {
  const dist = join(HOME, 'dist');
  const script = `mount --bind ${dist} ${dist} && mount -t tmpfs none ${dist}/cache &&
    mount -o remount,bind,ro ${dist}/cache && exec "$0" "$@"`;
  const { status, stderr } = await execute(
    '/usr/bin/unshare',
    ['--mount', '/bin/sh', '-c', script, PINION, '--root', temporaryDirectory(), 'list'],
    { env: { PATH: '/usr/bin:/bin' } },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

it('is not disturbed by variables that are meant for other programs of Node', async () => {
  const env = { NODE_OPTIONS: '--nonsense', NODE_PATH: '/nonexistent' };
  const { status, stderr } = await pinion(['list'], { root: temporaryDirectory(), env });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

it('says so when it is not built', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'bin'));
  execFileSync('cp', [PINION, join(directory, 'bin/pinion')]);
  const program = join(directory, 'bin/pinion');
  const { status, stderr } = await pinion(['list'], { root: directory, program });
  expect(status).toBe(1);
  expect(stderr).toBe(`pinion: not built yet: run ${directory}/bin/setup\n`);
});

it('reads nothing from stdin and leaves it to the container', async () => {
  const root = temporaryDirectory();
  const script = `"$0" --root "$1" state; read -r line; echo "$line"`;
  const options = { env: {}, input: 'for the container\n' };
  const { stdout } = await execute('/bin/sh', ['-c', script, PINION, root], options);
  expect(stdout).toMatch(/\nfor the container\n$/);
});

it('writes all of a long text into a pipe that is read slowly', async () => {
  const root = temporaryDirectory();
  const script = '"$0" help run | { sleep 0.2; cat; } | tail -n 3';
  const { stdout } = await execute('/bin/sh', ['-c', script, PINION, root], {
    env: { PATH: '/bin:/usr/bin' },
  });
  expect(stdout).toContain('$ pinion run --detach');
});

it('ends in silence when nobody reads what it prints', async () => {
  const script = '"$0" --help | true';
  const { stderr } = await execute('/bin/sh', ['-c', script, PINION], { env: {} });
  expect(stderr).toBe('');
});
