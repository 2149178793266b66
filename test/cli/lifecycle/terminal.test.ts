/** Terminals: of a person in the foreground, and by a console socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HOME, PINION } from '../../pinion.ts';
import { Container, type ContainerOptions } from './container.ts';

type Step = { expect?: string; send?: string; resize?: [number, number]; pause?: number };

interface Played {
  output: string;
  status?: number;
  name?: string;
  count?: number;
}

function play(steps: readonly Step[], ...args: string[]): ChildProcess {
  return spawn('/usr/bin/python3', [join(HOME, 'test/terminal.py'), ...args], {
    env: { STEPS: JSON.stringify(steps) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function played(child: ChildProcess): Promise<Played> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  return JSON.parse(text.trim().split('\n').at(-1) ?? '') as Played;
}

/** What a person sees who runs `pinion ARGS` on a terminal of 33 rows and 101 columns. */
function session(container: Container, args: string[], steps: readonly Step[]): Promise<Played> {
  return played(play(steps, 'session', PINION, '--root', container.root, ...args));
}

/** A container that may have terminals. */
function withTerminals(options: ContainerOptions & { terminal?: object } = {}): Container {
  return new Container({
    ...options,
    edit: (config, base) => {
      config.mounts.push({
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['newinstance', 'ptmxmode=0666', 'mode=0620'],
      });
      Object.assign(config.process, options.terminal);
      options.edit?.(config, base);
    },
  });
}

const TERMINAL = { terminal: true };

async function running(): Promise<Container> {
  const container = withTerminals();
  await container.create();
  await container.start();
  return container;
}

const exec = (container: Container, ...args: string[]) => ['exec', '-t', container.id, ...args];

test('run gives the program a terminal of its own, with the size of the caller’s', async () => {
  const container = withTerminals({ args: ['/bin/busybox', 'stty', '-a'], terminal: TERMINAL });
  const run = ['run', '--bundle', container.bundle, container.id];
  const { output, status } = await session(container, run, []);
  expect(status).toBe(0);
  expect(output).toContain('rows 33; columns 101;');
  expect(output).toContain(' echo ');
  expect(await container.leftovers()).toEqual([]);
});

test('the terminal is on /dev/console, too', async () => {
  const terminal = { ...TERMINAL, args: ['/bin/sh', '-c', 'echo hello >/dev/console'] };
  const container = withTerminals({ terminal });
  const run = ['run', '--bundle', container.bundle, container.id];
  expect(await session(container, run, [])).toEqual({ output: 'hello\r\n', status: 0 });
});

test('exec -t echoes what is typed and ends by end-of-file', async () => {
  const container = await running();
  expect(await session(container, exec(container, 'busybox', 'tty'), [])).toEqual({
    output: '/dev/pts/0\r\n',
    status: 0,
  });
  const typed = await session(container, exec(container, 'cat'), [
    { pause: 0.5 },
    { send: 'hello\n' },
    { expect: 'hello\r\nhello\r\n' },
    { send: '\u0004' },
  ]);
  expect(typed).toEqual({ output: 'hello\r\nhello\r\n', status: 0 });
});

test('control characters become signals of the container’s terminal, not of the caller', async () => {
  const container = await running();
  const steps = [{ pause: 0.5 }, { send: 'x\n' }, { expect: 'x\r\nx' }, { send: '\u0003' }];
  const { output, status } = await session(container, exec(container, 'cat'), steps);
  expect({ output, status }).toEqual({ output: 'x\r\nx\r\n^C', status: 130 });
});

test('a change of the size arrives', async () => {
  const container = await running();
  const script = 'trap "busybox true; echo changed" WINCH; echo ready; while read x; do :; done';
  const { output } = await session(container, exec(container, 'sh', '-c', script), [
    { expect: 'ready' },
    { resize: [40, 120] },
    { send: '\n' },
    { expect: 'changed' },
    { send: '\u0004' },
  ]);
  expect(output).toContain('changed');
});

test('a shell controls jobs', async () => {
  const container = await running();
  const steps = [
    { expect: '/ # ' },
    { send: 'sleep 30\n' },
    { expect: 'sleep 30\r\n' },
    { pause: 0.5 },
    { send: '\u001a' },
    { expect: 'Stopped' },
    { send: 'fg\n' },
    { expect: 'fg\r\nsleep 30\r\n' },
    { pause: 0.5 },
    { send: '\u0003' },
    { send: 'echo "<$?>"\n' },
    { expect: '<130>' },
    { send: 'exit 3\n' },
  ];
  const { status } = await session(container, exec(container, 'sh'), steps);
  expect(status).toBe(3);
});

test('much output arrives whole', async () => {
  const container = await running();
  const script = 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done';
  const { output } = await session(container, exec(container, 'sh', '-c', script), []);
  expect(output).toBe(Array.from({ length: 2000 }, (_, i) => `line ${i}\r\n`).join(''));
});

/** Creates and starts a container whose terminal goes to a console socket. */
async function received(container: Container, steps: readonly Step[]): Promise<Played> {
  const socket = join(container.base, 'console');
  const child = play(steps, 'receive', socket);
  const result = played(child);
  await once(child.stdout ?? child, 'data');
  await container.create('--console-socket', socket);
  await container.start();
  return await result;
}

test('a console socket receives the terminal, of the size that the config has', async () => {
  const terminal = { ...TERMINAL, consoleSize: { height: 7, width: 77 } };
  const container = withTerminals({ args: ['/bin/busybox', 'stty', 'size'], terminal });
  expect(await received(container, [])).toEqual({
    output: '7 77\r\n',
    name: '/dev/ptmx',
    count: 1,
  });
});

test('what is typed there reaches a program of another user', async () => {
  const terminal = { ...TERMINAL, user: { uid: 9, gid: 9 } };
  const args = ['/bin/sh', '-c', 'read line </dev/tty; echo "<$line>"'];
  const container = withTerminals({ args, terminal });
  const { output } = await received(container, [{ pause: 1 }, { send: 'typed\n' }]);
  expect(output).toBe('typed\r\n<typed>\r\n');
});

test('exec --detach with a console socket', async () => {
  const container = await running();
  const socket = join(container.base, 'console');
  const child = play([], 'receive', socket);
  const result = played(child);
  await once(child.stdout ?? child, 'data');
  const args = ['exec', '-d', '-t', '--console-socket', socket, container.id, 'busybox', 'tty'];
  expect(await container.pinion(...args)).toMatchObject({ status: 0, stdout: '', stderr: '' });
  expect(await result).toEqual({ output: '/dev/pts/0\r\n', name: '/dev/ptmx', count: 1 });
});

test.each([
  [['-d', '-t'], 'cannot allocate tty if runc will detach without setting console socket'],
  [['--console-socket', '/x'], 'cannot use console socket if runc will not detach or allocate tty'],
  [['-d', '-t', '--console-socket', '/x'], 'dial unix /x: connect: no such file or directory'],
])('%j is refused', async (flags, message) => {
  const container = await running();
  const { status, stderr } = await container.pinion('exec', ...flags, container.id, 'id');
  expect(status).toBe(255);
  expect(stderr).toContain(`msg="exec failed: ${message}"`);
});
