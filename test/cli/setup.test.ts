/** bin/setup on machines that lack something: one line says what, and what to do. */

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { execute, HOME, temporaryDirectory } from '../pinion.ts';

const SETUP = join(HOME, 'bin/setup');
const SYSTEM = '/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs a shell script in a mount namespace of its own, then bin/setup. */
function setupAfter(script: string, env: NodeJS.ProcessEnv = {}) {
  const shell = ['-c', `set -e; ${script}\nexec "$0"`, SETUP];
  const options = { env: { PATH: SYSTEM, HOME: '/root', ...env } };
  return execute('/usr/bin/unshare', ['--mount', '/bin/sh', ...shell], options);
}

it.each([
  [
    'no /dev/kvm',
    'mount -t tmpfs dev /dev; mknod /dev/null c 1 3',
    /^setup: no \/dev\/kvm: enable virtualisation /,
  ],
  [
    'a /dev/kvm that cannot be opened',
    // A device number that no driver has.
    'mount -t tmpfs dev /dev; mknod /dev/null c 1 3; mknod /dev/kvm c 511 511',
    /^setup: \/dev\/kvm cannot be opened: give this container or user the device/,
  ],
])('%s', async (_, script, line) => {
  const { status, stdout, stderr } = await setupAfter(script);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(line);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
});

it('not root', async () => {
  const user = ['--reuid', '65534', '--clear-groups', SETUP];
  const { status, stderr } = await execute('/usr/bin/setpriv', user, { env: { PATH: SYSTEM } });
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: 'setup: not root: run it as root, who may install packages and make containers\n',
  });
});

it('not Debian', async () => {
  const path = join(temporaryDirectory(), 'bin');
  mkdirSync(path);
  for (const name of ['sh', 'uname', 'id', 'dirname'])
    symlinkSync(`/usr/bin/${name}`, join(path, name));
  const { status, stderr } = await execute(SETUP, [], { env: { PATH: path } });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^setup: not Debian \(no apt-get\): install /);
});

it.each([
  ['no Rust', undefined, /^setup: no rustc: install Rust 1\.85 or later with rustfmt and clippy/],
  ['a Rust that is too old', '1.63.0', /^setup: rustc 1\.63\.0 .*is too old: install Rust 1\.85/],
])('%s', async (_, version, line) => {
  const path = temporaryDirectory();
  if (version !== undefined) {
    const rustc = `#!/bin/sh\necho 'rustc ${version} (a hash)'\n`;
    writeFileSync(join(path, 'rustc'), rustc, { mode: 0o755 });
  }
  const { status, stderr } = await setupAfter('true', {
    HOME: path,
    PATH: `${path}:${SYSTEM}`,
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(line);
});
