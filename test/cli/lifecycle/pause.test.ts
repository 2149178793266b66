/** `pause`, `resume` and `ps`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Container } from './container.ts';

async function running(options: ConstructorParameters<typeof Container>[0] = {}) {
  const container = new Container(options);
  await container.create();
  await container.start();
  return container;
}

const quiet = { status: 0, stdout: '', stderr: '' };

test('a paused container does nothing until it is resumed', async () => {
  const container = await running({
    args: ['/bin/sh', '-c', 'i=0; while :; do i=$((i+1)); [ $((i % 1000)) = 0 ] && echo $i; done'],
  });
  const size = () => readFileSync(container.stdout).length;
  await expect.poll(size, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(await container.pinion('pause', container.id)).toMatchObject(quiet);
  expect((await container.state()).status).toBe('paused');
  const before = size();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(size()).toBe(before);
  expect((await container.pinion('pause', container.id)).stderr).toContain('container not running');
  expect((await container.pinion('exec', container.id, 'id')).stderr).toContain(
    'exec failed: cannot exec in a paused container (use --ignore-paused to override)',
  );
  const { status, stderr } = await container.pinion('delete', container.id);
  expect({ status, stderr }).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('that is not stopped: paused'),
  });

  const waiting = container.pinion('exec', '--ignore-paused', container.id, 'echo', 'ok');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await container.pinion('resume', container.id)).toMatchObject(quiet);
  expect(await waiting).toMatchObject({ status: 0, stdout: 'ok\n' });
  expect((await container.state()).status).toBe('running');
  await expect.poll(size).toBeGreaterThan(before);
  expect((await container.pinion('resume', container.id)).stderr).toContain('container not paused');
});

test('what is paused can be killed and deleted', async () => {
  const container = await running();
  await container.pinion('pause', container.id);
  expect(await container.pinion('kill', container.id, 'KILL')).toMatchObject(quiet);
  await expect.poll(async () => (await container.state()).status).toBe('stopped');
  expect((await container.pinion('pause', container.id)).stderr).toContain('container not running');
});

test('ps lists the processes of the container', async () => {
  const container = await running();
  const pidFile = join(container.base, 'pid');
  const exec = container.spawn([
    ...['exec', '--detach', '--pid-file', pidFile],
    ...[container.id, 'sleep', '60'],
  ]);
  await container.end(exec);
  const { pid } = await container.state();
  const pids = [pid, Number(readFileSync(pidFile, 'utf8'))].sort((a, b) => a - b);
  const ps = (...args: string[]) => container.pinion('ps', ...args);
  expect((await ps('--format', 'json', container.id)).stdout).toBe(`${JSON.stringify(pids)}\n`);
  const { stdout } = await ps(container.id);
  const [header, ...lines] = stdout.trimEnd().split('\n');
  expect(header).toMatch(/^UID\s+PID\s/);
  expect(lines.map((line) => Number(line.split(/\s+/)[1]))).toEqual(pids);
  const columns = await ps(container.id, '-o', 'pid', '-e');
  expect(columns.stdout.split('\n').slice(1, -1).map(Number)).toEqual(pids);
  expect((await ps(container.id, '-o', 'comm')).stderr).toContain(
    "couldn't find PID field in ps output",
  );
});

test('a container that has stopped has no processes', async () => {
  const container = await running({ args: ['/bin/true'] });
  await expect.poll(async () => (await container.state()).status).toBe('stopped');
  expect((await container.pinion('ps', '-f', 'json', container.id)).stdout).toBe('null\n');
});

test('what is not there yet says so', async () => {
  const container = await running();
  for (const command of ['checkpoint', 'restore']) {
    const { status, stderr } = await container.pinion(command, '--image-path', '/x', container.id);
    expect(status).toBe(1);
    expect(stderr).toContain(`${command} is not supported`);
    expect((await container.pinion(command, '--help')).status).toBe(1);
  }
});
