/** `run`, in the foreground and detached. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { execute, PINION, pinion } from '../../pinion.ts';
import { Container } from './container.ts';

const shell = (script: string) => ({ args: ['/bin/sh', '-c', script] });

describe('in the foreground', () => {
  test.each([0, 7, 255])('the status is the program’s: %i', async (status) => {
    const container = new Container(shell(`exit ${status}`));
    expect(await container.launch('run')).toMatchObject({ status, stderr: '' });
    expect(await container.leftovers()).toEqual([]);
  });

  test('streams are the caller’s, read and written to their ends', async () => {
    const container = new Container({ args: ['/bin/cat'] });
    const args = ['run', '--bundle', container.bundle, container.id];
    const input = 'line\n'.repeat(20_000);
    const result = await pinion(args, { root: container.root, input });
    expect(result).toEqual({ status: 0, signal: null, stdout: input, stderr: '' });
  });

  test('a signal that kills the program is 128 and its number', async () => {
    const container = new Container();
    const child = container.spawn(['run', '--bundle', container.bundle, container.id]);
    const ended = container.end(child);
    await expect
      .poll(async () => (await container.pinion('state', container.id)).stdout)
      .toContain('"running"');
    await container.pinion('kill', container.id, 'KILL');
    expect(await ended).toMatchObject({ status: 137 });
    expect(await container.leftovers()).toEqual([]);
  });

  test('under the systemd driver, a host without systemd is refused', async () => {
    const container = new Container({
      args: ['/bin/true'],
      edit: ({ linux }) => Object.assign(linux, { cgroupsPath: '' }),
    });
    const args = ['--systemd-cgroup', 'run', '--bundle', container.bundle, container.id];
    const message =
      'runc run failed: systemd not running on this host, cannot use systemd cgroups manager';
    const refused = { status: 1, stderr: expect.stringContaining(message) };
    const expected = existsSync('/run/systemd/system') ? { status: 0, stderr: '' } : refused;
    expect(await pinion(args, { root: container.root })).toMatchObject(expected);
    expect(await container.leftovers()).toEqual([]);
  });

  test('signals are passed on to the program', async () => {
    // As pid 1 of a namespace it would not notice a signal that it does not handle.
    const container = new Container({
      edit: ({ linux }) => {
        linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'pid');
      },
    });
    const child = container.spawn(['run', '--bundle', container.bundle, container.id]);
    const ended = container.end(child);
    await expect
      .poll(async () => (await container.pinion('state', container.id)).stdout)
      .toContain('"running"');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ status: 143 });
    expect(await container.leftovers()).toEqual([]);
  });

  test('the program is told of the sockets of a service manager', async () => {
    const container = new Container({ args: ['/bin/env'] });
    const run = `${PINION} --root ${container.root} run --bundle ${container.bundle}`;
    const script = `LISTEN_FDS=1 LISTEN_PID=$$ exec ${run} ${container.id} 3</dev/null`;
    const { stdout } = await execute('/bin/sh', ['-c', script], { env: {} });
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['LISTEN_FDS=1', 'LISTEN_PID=1']));
  });

  test('--keep keeps the state', async () => {
    const container = new Container(shell('exit 3'));
    expect(await container.launch('run', '--keep')).toMatchObject({ status: 3 });
    expect(await container.state()).toMatchObject({ status: 'stopped', pid: 0 });
  });

  test('a program that is not there is an error, and leaves nothing', async () => {
    const container = new Container({ args: ['nosuch'] });
    expect(await container.launch('run')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        'runc run failed: unable to start container process: exec: \\"nosuch\\": executable file not found in $PATH',
      ),
    });
    expect(await container.leftovers()).toEqual([]);
  });
});

test('detached, it returns when the program runs', async () => {
  const container = new Container();
  const pidFile = join(container.base, 'pid');
  expect(await container.launch('run', '--detach', '--pid-file', pidFile)).toMatchObject({
    status: 0,
    stderr: '',
  });
  const state = await container.state();
  expect(state.status).toBe('running');
  expect(readFileSync(pidFile, 'utf8')).toBe(String(state.pid));
});
