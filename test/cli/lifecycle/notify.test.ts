/** NOTIFY_SOCKET: a service manager hears when the container's program is ready, sd_notify(3). */
import { closeSync, copyFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { Native } from '../../../native/index.ts';
import { errnoOf } from '../../../oci/errors.ts';
import { build } from '../../guest/programs.ts';
import { execute, HOME, PINION, pinion } from '../../pinion.ts';
import { Container } from './container.ts';

const native = new Native(join(HOME, 'native/build/Release/pinion.node'));
let program = '';

beforeAll(async () => {
  program = await build('notify');
});

/** A manager's socket. What is sent with a message is closed at once, since it is not asked for. */
class Manager {
  readonly env: { NOTIFY_SOCKET: string };
  readonly messages: string[] = [];
  readonly #fd: number;

  constructor(address: string) {
    this.env = { NOTIFY_SOCKET: address };
    this.#fd = native.bindDatagrams(address);
    const timer = setInterval(() => this.#read(), 10);
    onTestFinished(() => {
      clearInterval(timer);
      closeSync(this.#fd);
    });
  }

  #read(): void {
    const chunk = Buffer.alloc(1000);
    try {
      for (;;) this.messages.push(chunk.toString('utf8', 0, readSync(this.#fd, chunk)));
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
    }
  }
}

function made(...says: string[]): Container {
  const container = new Container({ args: ['/bin/notify', ...says] });
  copyFileSync(program, join(container.bundle, 'rootfs/bin/notify'));
  return container;
}

test('create and start: start returns when the program is ready', async () => {
  const container = made('STATUS=coming', 'sleep', 'READY=1\nSTATUS=there');
  const { env, messages } = new Manager(join(container.base, 'manager'));
  const [root, id] = [container.root, container.id];
  const create = ['--root', root, 'create', '--bundle', container.bundle, id];
  // Files as the container's streams: they stay open.
  await execute('/bin/sh', ['-c', '"$0" "$@" >/dev/null 2>&1', PINION, ...create], { env });
  const { pid } = await container.state();
  expect(messages).toEqual([]);
  const begun = performance.now();
  expect(await pinion(['start', id], { root, env })).toMatchObject({ status: 0, stderr: '' });
  expect(performance.now() - begun).toBeGreaterThan(300);
  expect(messages).toEqual(['READY=1\n', `MAINPID=${pid}\n`, 'BARRIER=1']);
  // Another process of the container has nothing to tell.
  const { stdout } = await container.pinion('exec', id, 'env');
  expect(stdout).not.toContain('NOTIFY_SOCKET');
});

test('run --detach: to an abstract address', async () => {
  const container = made('READY=1');
  const { env, messages } = new Manager(`@pinion-${container.id}`);
  const run = ['--root', container.root, 'run', '-d', '--bundle', container.bundle, container.id];
  await execute('/bin/sh', ['-c', '"$0" "$@" >/dev/null 2>&1', PINION, ...run], { env });
  const { pid } = await container.state();
  expect(messages).toEqual(['READY=1\n', `MAINPID=${pid}\n`, 'BARRIER=1']);
});

test('run: the manager looks after the command itself', async () => {
  const container = made('READY=1');
  const { env, messages } = new Manager(join(container.base, 'manager'));
  const run = ['--root', container.root, 'run', '--bundle', container.bundle, container.id];
  const ended = execute(PINION, run, { env });
  await expect.poll(() => messages.length, { timeout: 10_000 }).toBe(3);
  const { pid } = await container.state();
  expect(messages[1]).toMatch(/^MAINPID=\d+\n$/);
  expect(messages[1]).not.toBe(`MAINPID=${pid}\n`);
  await container.pinion('kill', container.id, 'KILL');
  expect(await ended).toMatchObject({ status: 137, stderr: '' });
});

test('a program that ends without a word ends the wait', async () => {
  const container = new Container({ args: ['/bin/sh', '-c', 'exit 3'] });
  const { env, messages } = new Manager(join(container.base, 'manager'));
  const run = ['run', '--bundle', container.bundle, container.id];
  expect(await pinion(run, { root: container.root, env })).toMatchObject({ status: 3, stderr: '' });
  expect(messages).toEqual([]);
});
