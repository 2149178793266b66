/** `exec`: another program in a container, in a microVM of its own. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { identify } from '../../../oci/state/process.ts';
import { execute, PINION } from '../../pinion.ts';
import { Container } from './container.ts';

async function running(options: ConstructorParameters<typeof Container>[0] = {}) {
  const container = new Container(options);
  await container.create();
  await container.start();
  return container;
}

describe('in the foreground', () => {
  test('it has its own streams, its status, and the container’s namespaces', async () => {
    const container = await running();
    const exec = (...args: string[]) => container.pinion('exec', container.id, ...args);
    expect(await exec('sh', '-c', 'echo out; echo err >&2; exit 7')).toEqual({
      status: 7,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    const { pid } = await container.state();
    for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts']) {
      const own = await exec('ls', '-l', `/proc/self/ns/${kind}`);
      const init = await execute('/bin/ls', ['-l', `/proc/${pid}/ns/${kind}`], {});
      const link = (text: string) => /\w+:\[\d+\]/.exec(text)?.[0] ?? text;
      expect(link(own.stdout)).toBe(link(init.stdout));
    }
  });

  test('it is in the container’s control groups', async () => {
    const container = await running();
    const groups = async (id: string) =>
      (await container.pinion('exec', id, 'cat', '/proc/self/cgroup')).stdout.trim().split('\n');
    for (const line of await groups(container.id)) expect(line).toMatch(`:/${container.id}`);
  });

  test('input is read to its end', async () => {
    const container = await running();
    const args = ['--root', container.root, 'exec', container.id, 'cat'];
    const input = 'line\n'.repeat(20_000);
    expect((await execute(PINION, args, { env: {}, input })).stdout).toBe(input);
  });

  test('a signal that kills it is 128 and its number; others reach it', async () => {
    const container = await running();
    const pidFile = join(container.base, 'pid');
    const child = container.spawn(['exec', '--pid-file', pidFile, container.id, 'sleep', '60']);
    const ended = container.end(child);
    const pid = Number(await container.file('pid'));
    expect(readFileSync(`/proc/${pid}/status`, 'latin1')).toMatch(/^NSpid:\t\d+\t\d+$/m);
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ status: 143 });
    expect((await container.state()).status).toBe('running');
  });

  test('flags change what the container’s own process has', async () => {
    const container = await running();
    const exec = async (flags: string[], ...args: string[]) =>
      (await container.pinion('exec', ...flags, container.id, ...args)).stdout;
    expect(await exec(['-u', '7:8', '-g', '9', '-g', '10'], 'id')).toBe(
      'uid=7 gid=8 groups=9,10\n',
    );
    expect(await exec(['--env', 'A=1', '-e', 'B=2', '-e', 'A=3'], 'env')).toBe(
      'PATH=/bin\nA=3\nB=2\nHOME=/root\n',
    );
    expect(await exec(['--cwd', '/tmp'], 'sh', '-c', 'pwd')).toBe('/tmp\n');
    const status = await exec(['--cap', 'CAP_CHOWN'], 'cat', '/proc/self/status');
    expect(status).toMatch(/^CapEff:\t0000000000000001$/m);
    expect(status).toMatch(/^CapInh:\t0000000000000000$/m);
  });

  test('descriptors after the streams are passed on when asked for', async () => {
    const container = await running();
    const base = `--root ${container.root} exec --preserve-fds 1 ${container.id}`;
    const script = `${PINION} ${base} sh -c 'read line <&3; echo "$line"' 3<<END\nhello\nEND`;
    expect((await execute('/bin/sh', ['-c', script], { env: {} })).stdout).toBe('hello\n');
  });
});

describe('detached', () => {
  test('the pid-file names a process of the caller that ends with the program’s status', async () => {
    const container = await running();
    const pidFile = join(container.base, 'pid');
    const result = await container.end(
      container.spawn(['exec', '--detach', '--pid-file', pidFile, container.id, 'sleep', '60']),
    );
    expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const pid = Number(readFileSync(pidFile, 'utf8'));
    expect(identify(pid)).toBeDefined();
    process.kill(pid, 'SIGTERM');
    await expect.poll(() => identify(pid)).toBeUndefined();
    expect((await container.state()).status).toBe('running');
  });

  test('a process of config.json in a file is complete in itself', async () => {
    const container = await running();
    const file = join(container.base, 'process.json');
    const write = (change: object) =>
      writeFileSync(
        file,
        JSON.stringify({ user: { uid: 5, gid: 6 }, args: ['id'], cwd: '/', ...change }),
      );
    const exec = () => container.pinion('exec', '--process', file, container.id);
    write({ env: ['PATH=/bin'] });
    expect((await exec()).stdout).toBe('uid=5 gid=6\n');
    write({});
    expect(await exec()).toMatchObject({
      status: 255,
      stderr: expect.stringContaining('executable file not found in $PATH'),
    });
    write({ cwd: 'tmp' });
    expect((await exec()).stderr).toContain('exec failed: Cwd must be an absolute path');
    write({ args: [] });
    expect((await exec()).stderr).toContain('exec failed: args must not be empty');
    write({ args: [7] });
    expect((await exec()).stderr).toContain('process: process.args[0]: expected a string');
  });
});

test('of a container that was not started, the init still waits', async () => {
  const container = new Container();
  await container.create();
  expect((await container.pinion('exec', container.id, 'id')).stdout).toBe(
    'uid=0(root) gid=0(root)\n',
  );
  expect((await container.state()).status).toBe('created');
});

test('ends with the container', async () => {
  const container = await running();
  const pidFile = join(container.base, 'pid');
  const ended = container.end(
    container.spawn(['exec', '--pid-file', pidFile, container.id, 'sleep', '60']),
  );
  await container.file('pid');
  await container.pinion('delete', '--force', container.id);
  expect(await ended).toMatchObject({ status: 137 });
});

test('many at once', async () => {
  const container = await running();
  const results = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      container.pinion('exec', container.id, 'sh', '-c', `echo ${index}; exit ${index}`),
    ),
  );
  results.forEach(({ status, stdout }, index) => {
    expect({ status, stdout }).toEqual({ status: index, stdout: `${index}\n` });
  });
});

describe('what fails is said in runc’s words, with status 255', () => {
  test.each([
    [
      ['nosuch'],
      'unable to start container process: exec: \\"nosuch\\": executable file not found in $PATH',
    ],
    [
      ['/nosuch'],
      'unable to start container process: exec: \\"/nosuch\\": stat /nosuch: no such file or directory',
    ],
    [[], 'process args cannot be empty'],
  ])('%j', async (args, message) => {
    const container = await running();
    const { status, stdout, stderr } = await container.pinion('exec', container.id, ...args);
    expect({ status, stdout }).toEqual({ status: 255, stdout: '' });
    expect(stderr).toContain(`msg="exec failed: ${message}"`);
  });

  test('a container that has stopped', async () => {
    const container = await running({ args: ['/bin/true'] });
    await expect.poll(async () => (await container.state()).status).toBe('stopped');
    const { status, stderr } = await container.pinion('exec', container.id, 'id');
    expect(status).toBe(255);
    expect(stderr).toContain('exec failed: cannot exec in a stopped container');
  });
});

test('the monitor cannot be reached from the container', async () => {
  const container = await running({
    edit: ({ process }) => {
      const all = ['CAP_SYS_PTRACE', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH'];
      process.capabilities = { bounding: all, effective: all, permitted: all };
      process.noNewPrivileges = false;
    },
  });
  const pidFile = join(container.base, 'pid');
  const child = container.spawn(['exec', '--pid-file', pidFile, container.id, 'sleep', '60']);
  const ended = container.end(child);
  const pid = await container.file('pid');
  const line = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  const other = `/proc/${line?.[1]}`;
  const inside = (script: string) => container.pinion('exec', container.id, 'sh', '-c', script);
  // CVE-2019-5736: neither its executable nor its memory can be opened for writing.
  for (const file of [`${other}/exe`, '/proc/1/exe', `${other}/mem`, '/proc/1/mem']) {
    expect(await inside(`: > ${file}`), file).toMatchObject({ status: 1 });
  }
  // CVE-2024-21626: no directory of the host is open, nor is a working directory one.
  expect((await container.pinion('exec', '--cwd', `${other}/cwd`, container.id, 'id')).status).toBe(
    255,
  );
  for (const fd of ['3', '4', '5', '6', '7', '8', '9']) {
    const { status } = await container.pinion(
      'exec',
      '--cwd',
      `/proc/self/fd/${fd}`,
      container.id,
      'id',
    );
    expect(status, fd).toBe(255);
  }
  child.kill('SIGKILL');
  await ended;
  process.kill(Number(pid), 'SIGKILL');
});
