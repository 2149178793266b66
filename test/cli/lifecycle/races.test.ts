/** Commands on one container at once: one of them wins, and the others say clearly why they did not. */
import { expect, test } from 'vitest';
import type { Result } from '../../pinion.ts';
import { Container } from './container.ts';

const ROUNDS = 3;

function succeeded(results: readonly Result[]): number {
  return results.filter(({ status }) => status === 0).length;
}

/** Those that failed: each by one line that says what is expected. */
function expectFailures(results: readonly Result[], message: RegExp): void {
  for (const { status, stderr } of results) {
    if (status === 0) continue;
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  }
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function createAtOnce(container: Container, count: number): Promise<Result[]> {
  const commands = Array.from({ length: count }, () =>
    container.pinion('run', '--detach', '--bundle', container.bundle, container.id),
  );
  return await Promise.all(commands);
}

test('creations of one id', async () => {
  // The program ends by itself, and with it who holds the pipe.
  const container = new Container({ args: ['/bin/true'] });
  for (let round = 0; round < ROUNDS; round++) {
    const results = await createAtOnce(container, 4);
    expect(succeeded(results)).toBe(1);
    expectFailures(results, /container with given ID already exists/);
    await container.pinion('delete', '--force', container.id);
    expect(await container.leftovers()).toEqual([]);
  }
});

test('starts of one container', async () => {
  const container = new Container();
  for (let round = 0; round < ROUNDS; round++) {
    await container.create();
    const start = () => container.pinion('start', container.id);
    const results = await Promise.all([start(), start(), start()]);
    expect(succeeded(results)).toBe(1);
    expectFailures(results, /cannot start (an already running container|a container)/);
    expect((await container.state()).status).toBe('running');
    await container.pinion('delete', '--force', container.id);
  }
});

test('deletions of one container', async () => {
  const container = new Container();
  for (let round = 0; round < ROUNDS; round++) {
    await container.create();
    const remove = () => container.pinion('delete', container.id);
    const results = await Promise.all([remove(), remove(), remove()]);
    expect(succeeded(results)).toBe(1);
    expectFailures(results, /container does not exist/);
    expect(await container.leftovers()).toEqual([]);
  }
});

test.each(['delete', 'delete --force'])('start and %s', async (line) => {
  const [command = '', ...flags] = line.split(' ');
  const container = new Container();
  for (let round = 0; round < ROUNDS; round++) {
    await container.create();
    const starting = container.pinion('start', container.id);
    await wait(round * 15);
    const removed = await container.pinion(command, ...flags, container.id);
    const started = await starting;
    expectFailures(
      [started],
      /container does not exist|already dead|a container that has stopped|is being created or deleted|no such/,
    );
    expectFailures([removed], /that is not stopped: running/);
    expect(succeeded([started, removed])).toBeGreaterThan(0);
    if (removed.status === 0) expect(await container.leftovers()).toEqual([]);
    else await container.pinion('delete', '--force', container.id);
  }
});

test('exec and kill', async () => {
  const container = new Container();
  for (let round = 0; round < ROUNDS; round++) {
    await container.create();
    await container.start();
    const execs = [0, 1].map(() => container.pinion('exec', container.id, '/bin/sleep', '60'));
    await wait(20 + round * 20);
    expect(await container.pinion('kill', container.id, 'KILL')).toMatchObject({ status: 0 });
    for (const { status, stderr } of await Promise.all(execs)) {
      // Killed with the container, or too late for it.
      if (status === 137) expect(stderr).toBe('');
      else expect(stderr).toMatch(/^[^\n]*exec failed: [^\n]*\n$/);
    }
    await expect
      .poll(async () => (await container.state()).status, { timeout: 10_000 })
      .toBe('stopped');
    expect(await container.pinion('delete', container.id)).toMatchObject({ status: 0, stderr: '' });
    expect(await container.leftovers()).toEqual([]);
  }
});

test('exec and delete --force', async () => {
  const container = new Container();
  for (let round = 0; round < ROUNDS; round++) {
    await container.create();
    await container.start();
    const exec = container.pinion('exec', container.id, '/bin/sleep', '60');
    await wait(20 + round * 20);
    const removed = await container.pinion('delete', '--force', container.id);
    expect(removed).toMatchObject({ status: 0, stderr: '' });
    const { status, stderr } = await exec;
    if (status === 137) expect(stderr).toBe('');
    else expect(stderr).toMatch(/^[^\n]*(exec failed: |does not exist)[^\n]*\n$/);
    expect(await container.leftovers()).toEqual([]);
  }
});
