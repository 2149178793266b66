/** What create does when there is no monitor, or one that does not do its duty. */
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CreateOptions, create } from '../../../oci/lifecycle/create.ts';
import { makeBundle } from '../../bundle.ts';
import { temporaryDirectory } from '../../pinion.ts';
import { testContext } from './fixture.ts';

function options(edit: Parameters<typeof makeBundle>[0]['edit'] = () => {}): CreateOptions {
  const bundle = makeBundle({ args: ['/bin/true'], edit });
  return { id: 'c', bundle, noPivot: false, noNewKeyring: false, preserveFds: 0 };
}

function script(text: string): string {
  const path = join(temporaryDirectory(), 'monitor');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

test.each([
  ['is missing', () => '/no/such', 'fork/exec /no/such: no such file or directory'],
  ['is no program', () => '/etc/passwd', 'fork/exec /etc/passwd: permission denied'],
  ['ends at once', () => script('exit 3'), 'the monitor died: exit status 3'],
  ['is killed', () => script('kill -9 $$'), 'the monitor died: signal SIGKILL'],
  ['talks nonsense', () => script("printf '\\4\\0\\0\\0nope' >&3; cat <&3 >&2"), 'is not JSON'],
  [
    'says too much',
    () => script("printf '\\0\\0\\0\\177' >&3; cat <&3 >&2"),
    'frame of 2130706432',
  ],
  [
    'is ready without an init',
    () => script(`printf '\\21\\0\\0\\0{"event":"ready"}' >&3; cat <&3 >&2`),
    'the monitor is ready without an init',
  ],
])('a monitor that %s', async (_, monitor, message) => {
  const ctx = { ...testContext(join(temporaryDirectory(), 'root')), monitor: monitor() };
  await expect(create(ctx, options())).rejects.toThrow(message);
  expect(readdirSync(ctx.root)).toEqual([]);
});

test('an error of config.json leaves not even the state directory', async () => {
  const ctx = testContext(join(temporaryDirectory(), 'root'));
  const good = options();
  const nowhere = { ...good, bundle: '/no/such' };
  await expect(create(ctx, nowhere)).rejects.toThrow(
    'runc create failed: chdir /no/such: no such file or directory',
  );
  const empty = { ...good, bundle: temporaryDirectory() };
  await expect(create(ctx, empty)).rejects.toThrow(
    'runc create failed: JSON specification file config.json not found',
  );
  const file = { ...good, bundle: join(good.bundle, 'config.json') };
  await expect(create(ctx, file)).rejects.toThrow(/chdir .*: not a directory/);
  await expect(create(ctx, { ...good, id: 'a/b' })).rejects.toThrow('invalid container ID format');
  expect(existsSync(ctx.root)).toBe(false);
});

test('a terminal needs somebody to serve it, and a socket needs a terminal', async () => {
  const ctx = testContext(join(temporaryDirectory(), 'root'));
  const terminal = options((config) => {
    config.process.terminal = true;
  });
  await expect(create(ctx, terminal)).rejects.toThrow(
    'cannot allocate tty if runc will detach without setting console socket',
  );
  await expect(create(ctx, { ...options(), consoleSocket: '/s' })).rejects.toThrow(
    'cannot use console socket if runc will not detach or allocate tty',
  );
  expect(existsSync(ctx.root)).toBe(false);
  await expect(create(ctx, { ...terminal, consoleSocket: '/no/such' })).rejects.toThrow(
    'runc create failed: dial unix /no/such: connect: no such file or directory',
  );
  expect(readdirSync(ctx.root)).toEqual([]);
});

test('a root that cannot be made is named', async () => {
  const base = temporaryDirectory();
  writeFileSync(join(base, 'file'), '');
  const ctx = testContext(join(base, 'file', 'root'));
  await expect(create(ctx, options())).rejects.toThrow(
    `runc create failed: mkdir ${base}/file/root: not a directory`,
  );
});
