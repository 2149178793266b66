/** What is killed at any step leaves nothing that `delete --force` does not take away. */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { identify } from '../../../oci/state/process.ts';
import { Container } from './container.ts';

/** Where create can be stopped for a while: by a hook that waits. */
const STEPS = ['prestart', 'createRuntime', 'createContainer'];

interface Halted {
  container: Container;
  /** `create`, which is waiting for the hook. */
  command: ChildProcess;
  ended: ReturnType<Container['end']>;
  /** The container's init. */
  init: number;
}

/** A creation that waits in a hook for at most 20 s. */
async function haltedAt(step: string): Promise<Halted> {
  const container = new Container({
    edit: (config, base) => {
      // The hook itself ends when its input ends or its caller kills it.
      const script = `cat > ${base}/state; echo $$ > ${base}/pid; mv ${base}/pid ${base}/hook; exec sleep 20`;
      config.hooks = { [step]: [{ path: '/bin/sh', args: ['sh', '-c', script] }] };
    },
  });
  const command = container.spawn(['create', '--bundle', container.bundle, container.id]);
  const ended = container.end(command);
  await expect.poll(() => existsSync(join(container.base, 'hook')), { timeout: 10_000 }).toBe(true);
  const record: { init: { pid: number } } = JSON.parse(
    readFileSync(join(container.root, container.id, 'state.json'), 'utf8'),
  );
  return { container, command, ended, init: record.init.pid };
}

/** Hooks are the host's programs: a runtime that is killed cannot end them. */
function endHook({ container }: Halted): void {
  killProcess(Number(readFileSync(join(container.base, 'hook'), 'utf8')));
}

/** Ids that are no process's would mean groups of processes, this one's among them. */
function killProcess(pid: number): void {
  expect(pid).toBeGreaterThan(1);
  process.kill(pid, 'SIGKILL');
}

async function deleted(container: Container): Promise<void> {
  expect(await container.pinion('delete', '--force', container.id)).toMatchObject({
    status: 0,
    stderr: '',
  });
  expect(await container.leftovers()).toEqual([]);
}

describe.each(STEPS)('at %s', (step) => {
  test('state tells that it is being created, kill and start are refused or served', async () => {
    const { container, init, ended } = await haltedAt(step);
    expect(await container.state()).toMatchObject({ status: 'creating', pid: init });
    expect(await container.pinion('start', container.id)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('cannot start a container in the creating state'),
    });
    expect(await container.pinion('kill', container.id, 'KILL')).toMatchObject({ status: 0 });
    expect(await ended).toMatchObject({ status: 1 });
    expect(await container.leftovers()).toEqual([]);
  });

  test('kill -9 of the command ends the init, and the id can be freed', async () => {
    const halted = await haltedAt(step);
    const { container, command, ended } = halted;
    command.kill('SIGKILL');
    await ended;
    endHook(halted);
    expect(await container.state()).toMatchObject({ status: 'stopped' });
    expect(await container.launch('create')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('container with given ID already exists'),
    });
    await deleted(container);
  });

  test('kill -9 of the init makes create fail at once and leave nothing', async () => {
    const { container, ended, init } = await haltedAt(step);
    killProcess(init);
    const { status, stderr } = await ended;
    expect(status).toBe(1);
    expect(stderr.match(/level=error/g)).toHaveLength(1);
    expect(await container.leftovers()).toEqual([]);
    await deleted(container);
  });

  test('kill -9 of the launcher does the same', async () => {
    const { container, command, ended } = await haltedAt(step);
    const children = `/proc/${command.pid}/task/${command.pid}/children`;
    for (const pid of readFileSync(children, 'utf8').trim().split(' ')) {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('launch')) {
        killProcess(Number(pid));
      }
    }
    expect(await ended).toMatchObject({ status: 1 });
    expect(await container.leftovers()).toEqual([]);
  });

  test('delete --force makes create fail and waits for it', async () => {
    const { container, ended } = await haltedAt(step);
    await deleted(container);
    expect(await ended).toMatchObject({ status: 1 });
  });
});

test('kill -9 of create at any time', { timeout: 120_000 }, async () => {
  const container = new Container();
  for (let delay = 20; delay < 140; delay += 10) {
    const command = container.spawn(['create', '--bundle', container.bundle, container.id]);
    const ended = container.end(command);
    await new Promise((resolve) => setTimeout(resolve, delay));
    command.kill('SIGKILL');
    await ended;
    await deleted(container);
  }
});

test('kill -9 of start at any time', { timeout: 120_000 }, async () => {
  const container = new Container();
  for (let delay = 20; delay < 80; delay += 10) {
    await container.create();
    const command = container.spawn(['start', container.id]);
    const ended = container.end(command);
    await new Promise((resolve) => setTimeout(resolve, delay));
    command.kill('SIGKILL');
    await ended;
    await deleted(container);
  }
});

test('kill -9 of the init while it is started', { timeout: 120_000 }, async () => {
  const container = new Container();
  for (let delay = 20; delay < 80; delay += 5) {
    await container.create();
    const { pid } = await container.state();
    const starting = container.pinion('start', container.id);
    await new Promise((resolve) => setTimeout(resolve, delay));
    killProcess(pid);
    const { status, stderr } = await starting;
    if (status !== 0) {
      expect(stderr).toMatch(/container process is already dead|a container that has stopped/);
    }
    await deleted(container);
  }
});

test('kill -9 of delete at any time', { timeout: 120_000 }, async () => {
  const container = new Container();
  for (let delay = 20; delay < 80; delay += 10) {
    await container.create();
    const command = container.spawn(['delete', '--force', container.id]);
    const ended = container.end(command);
    await new Promise((resolve) => setTimeout(resolve, delay));
    command.kill('SIGKILL');
    await ended;
    await deleted(container);
  }
});

test.each(['created', 'running'])('kill -9 of the init when %s', async (status) => {
  const container = new Container();
  await container.create();
  if (status === 'running') await container.start();
  killProcess((await container.state()).pid);
  await expect.poll(async () => (await container.state()).status).toBe('stopped');
  expect(await container.pinion('start', container.id)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('cannot start a container that has stopped'),
  });
  await deleted(container);
});

test.each(['', '{', '{"id":"other"}'])('a damaged record %j', async (text) => {
  const container = new Container();
  const directory = join(container.root, container.id);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'state.json'), text);
  expect(await container.pinion('list')).toMatchObject({
    status: 0,
    stderr: expect.stringContaining(`load container ${container.id}: `),
  });
  expect(await container.pinion('state', container.id)).toMatchObject({ status: 1 });
  await deleted(container);
});

test('a state directory of a creation that never wrote its record', async () => {
  const container = new Container();
  mkdirSync(join(container.root, container.id), { recursive: true });
  expect(await container.pinion('state', container.id)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('container does not exist'),
  });
  await deleted(container);
  await container.create();
});

test('a full state directory is one clear error, and leaves nothing', async () => {
  const container = new Container();
  mkdirSync(container.root);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', container.root]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', container.root]));
  execFileSync('sh', ['-c', `cat /dev/zero > ${container.root}/filler 2>/dev/null || true`]);
  const { status, stderr } = await container.launch('create');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^[^\n]*write [^\n]*state\.json: no space left on device[^\n]*\n$/);
  expect(readdirSync(container.root)).toEqual(['filler']);
});

test('a state directory that fills up kills no process', async () => {
  const container = new Container({
    args: ['/bin/sh', '-c', 'for i in 1 2 3; do /bin/true; done; echo well'],
  });
  mkdirSync(container.root);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', container.root]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', container.root]));
  await container.create();
  execFileSync('sh', ['-c', `cat /dev/zero > ${container.root}/filler 2>/dev/null || true`]);
  await container.pinion('start', container.id);
  await expect.poll(() => readFileSync(container.stdout, 'utf8')).toBe('well\n');
  rmSync(join(container.root, 'filler'));
  expect(await container.pinion('delete', '--force', container.id)).toMatchObject({ status: 0 });
});

test('a mount below the state directory is taken away, not what it shows', async () => {
  const container = new Container();
  await container.create();
  const precious = join(container.base, 'precious');
  mkdirSync(precious);
  writeFileSync(join(precious, 'file'), 'kept');
  const target = join(container.root, container.id, 'notify');
  mkdirSync(target);
  execFileSync('mount', ['--bind', precious, target]);
  await deleted(container);
  expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('kept');
});

test('processes left in the cgroup are killed', async () => {
  const container = new Container();
  await container.create();
  const added = await container.addProcess();
  await deleted(container);
  expect(identify(added)).toBeUndefined();
});
