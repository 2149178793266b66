import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { defaultConfig } from '../../oci/default-config.ts';
import { parseConfig } from '../../oci/spec/index.ts';
import { temporaryDirectory } from '../pinion.ts';

it.each([undefined, { uid: 1000, gid: 1000 }])('is a valid config for %j', (rootless) => {
  const text = JSON.stringify(defaultConfig('1.0.2', rootless));
  expect(parseConfig(text)).toMatchObject({ hostname: 'pinion', process: { args: ['sh'] } });
});

it.each([
  ['root', [], undefined],
  ['a user', ['--rootless'], { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }],
])('is what runc writes for %s', (_, flags, rootless) => {
  const cwd = temporaryDirectory();
  execFileSync('/usr/sbin/runc', ['spec', ...flags], { cwd });
  const theirs = JSON.parse(readFileSync(join(cwd, 'config.json'), 'utf8'));
  expect(defaultConfig(theirs.ociVersion, rootless)).toEqual({ ...theirs, hostname: 'pinion' });
});
