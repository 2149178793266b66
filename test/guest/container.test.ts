/** The same programs in a container: what they see there is what runc shows them. */
import { chmodSync, copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { makeBundle } from '../bundle.ts';
import { pinion, type Result, temporaryDirectory } from '../pinion.ts';
import { build } from './programs.ts';

const CAPABILITIES = [
  'CAP_SETUID',
  'CAP_SETGID',
  'CAP_CHOWN',
  'CAP_FOWNER',
  'CAP_KILL',
  'CAP_FSETID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_DAC_OVERRIDE',
];

let count = 0;

/** Runs a program as a container's only process, its working directory an empty one. */
async function runContained(
  runtime: string | undefined,
  program: string,
  name: string,
  env: string[],
) {
  const id = `guest-${process.pid}-${count++}`;
  const bundle = makeBundle({
    args: [`./${basename(program)}`, name],
    cwd: '/tmp',
    env: ['PATH=/bin', ...env],
    edit: (config) => {
      config.linux.cgroupsPath = `/${id}`;
      config.process.noNewPrivileges = !env.includes('MAY_GAIN=1');
      if (env.includes('SET_ID=1')) config.process.user = { uid: 1000, gid: 1000 };
      const sets = ['bounding', 'effective', 'permitted'];
      config.process.capabilities = Object.fromEntries(sets.map((set) => [set, CAPABILITIES]));
    },
  });
  const copy = join(bundle, 'rootfs/tmp', basename(program));
  copyFileSync(program, copy);
  if (env.includes('SET_ID=1')) chmodSync(copy, 0o4755);
  const args = ['run', '--bundle', bundle, id];
  const options = { root: temporaryDirectory(), env: { PATH: '/usr/sbin:/usr/bin:/bin' } };
  return await pinion(args, runtime ? { ...options, program: runtime } : options);
}

async function expectSame(source: string, name: string, ...env: string[]): Promise<Result> {
  const program = await build(source);
  const expected = await runContained('runc', program, name, env);
  const result = await runContained(undefined, program, name, env);
  expect(result).toEqual(expected);
  return result;
}

test.each([
  ['process', 'start'],
  ['process', 'identity'],
  ['process', 'signals'],
  ['process', 'limits'],
  ['process', 'attributes'],
  ['process', 'machine'],
  ['files', 'opening'],
  ['files', 'linking'],
  ['attributes', 'attributes'],
  ['data', 'pipes'],
  ['memory', 'moving'],
  ['mapping', 'shared'],
  ['events', 'epolling'],
] as const)('%s: %s', async (source, name) => {
  expect(await expectSame(source, name)).toMatchObject({ status: 0 });
});

/** The first process of a namespace does not die of signals that it sends itself. */
test.each([1, 2, 9, 10, 15, 17, 19])('raises signal %i as process 1', async (signal) => {
  expect(await expectSame('process', 'raising', `SIGNAL=${signal}`)).toMatchObject({ status: 0 });
});

test.each([
  ['die', 'undefined', 132],
  ['die', 'divide', 136],
  ['die', 'null_read', 139],
  // An emulated processor does not check it.
  ['die', 'alignment', undefined],
  ['die', 'abort_', undefined],
  ['fault', 'write_in_large', 139],
  ['mapping', 'past-end', 135],
] as const)('%s: %s', async (source, name, status) => {
  const result = await expectSame(source, name);
  if (status !== undefined) expect(result).toMatchObject({ status });
});

test('what files give to who executes them', async () => {
  const result = await expectSame('raising', 'files', 'MAY_GAIN=1');
  expect(result).toMatchObject({ status: 0 });
  expect(result.stdout).toContain('users 1000 0 0 0');
});

test.each([
  ['MAY_GAIN=1', 'users 1000 0 0 0'],
  ['MAY_GAIN=0', 'users 1000 1000 1000 1000'],
])("what the first program's own file gives it, %s", async (gain, users) => {
  const result = await expectSame('raising', 'told', gain, 'SET_ID=1');
  expect(result).toMatchObject({ status: 0 });
  expect(result.stdout).toContain(users);
});
