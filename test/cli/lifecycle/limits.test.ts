/** `update` and `events`. */
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pinion } from '../../pinion.ts';
import { Container } from './container.ts';

async function running(options: ConstructorParameters<typeof Container>[0] = {}) {
  const container = new Container(options);
  await container.create();
  await container.start();
  return container;
}

const isUnified = existsSync('/sys/fs/cgroup/cgroup.controllers');

/** A limit -> its controller and file in version 1, its file in version 2. */
const LIMITS = {
  memory: ['memory', 'memory.limit_in_bytes', 'memory.max'],
  reservation: ['memory', 'memory.soft_limit_in_bytes', 'memory.low'],
  memoryAndSwap: ['memory', 'memory.memsw.limit_in_bytes', 'memory.swap.max'],
  pids: ['pids', 'pids.max', 'pids.max'],
  shares: ['cpu', 'cpu.shares', 'cpu.weight'],
  quota: ['cpu', 'cpu.cfs_quota_us', 'cpu.max'],
} as const;

/** What the container's control group says. */
function limit(container: Container, name: keyof typeof LIMITS): string {
  const [controller, v1, v2] = LIMITS[name];
  const [hierarchy, file] = isUnified ? ['', v2] : [controller, v1];
  return readFileSync(join('/sys/fs/cgroup', hierarchy, container.id, file), 'utf8').trim();
}

const quiet = { status: 0, stdout: '', stderr: '' };

describe('update', () => {
  test('flags set limits of a container that runs', async () => {
    const container = await running();
    const flags = ['--memory', '64m', '--pids-limit', '77', '--cpu-share', '512'];
    const quota = ['--cpu-quota', '50000', '--cpu-period', '100000', '--memory-reservation', '32M'];
    const args = ['update', ...flags, ...quota, container.id];
    expect(await container.pinion(...args)).toMatchObject(quiet);
    expect(limit(container, 'memory')).toBe(String(64 << 20));
    expect(limit(container, 'reservation')).toBe(String(32 << 20));
    expect(limit(container, 'pids')).toBe('478');
    expect(limit(container, 'shares')).toBe(isUnified ? '20' : '512');
    expect(limit(container, 'quota')).toBe(isUnified ? '50000 100000' : '50000');
    await container.pinion('update', '--pids-limit', '-1', '--cpu-quota', '-1', container.id);
    expect(limit(container, 'pids')).toBe('max');
    expect(limit(container, 'quota')).toBe(isUnified ? 'max 100000' : '-1');
    expect(limit(container, 'memory')).toBe(String(64 << 20));
  });

  test('memory and swap go up and down together', async () => {
    const container = await running();
    for (const size of ['64m', '128m', '32m']) {
      const args = ['update', '--memory', size, '--memory-swap', size, container.id];
      expect(await container.pinion(...args)).toMatchObject(quiet);
      // Version 2 limits swap alone.
      const memory = limit(container, 'memory');
      expect(limit(container, 'memoryAndSwap')).toBe(isUnified ? '0' : memory);
    }
  });

  test('resources come from a file or from standard input', async () => {
    const container = await running();
    const file = join(container.base, 'resources.json');
    writeFileSync(file, JSON.stringify({ pids: { limit: 20 } }));
    expect(await container.pinion('update', '-r', file, container.id)).toMatchObject(quiet);
    expect(limit(container, 'pids')).toBe('136');
    const input = JSON.stringify({ pids: { limit: 30 } });
    const args = ['update', '--resources=-', container.id];
    expect(await pinion(args, { root: container.root, input })).toMatchObject(quiet);
    expect(limit(container, 'pids')).toBe('196');
    writeFileSync(file, '{"pids": {"limit": "x"}}');
    const wrong = await container.pinion('update', '-r', file, container.id);
    expect(wrong.stderr).toContain('linux.resources.pids.limit: expected');
  });

  test.each([
    [['--memory', 'x'], "invalid value for memory: invalid size: 'x'"],
    [['--resources', '/nosuch'], 'open /nosuch: no such file or directory'],
    [['--l3-cache-schema', 'x'], 'Intel RDT/CAT: l3 cache schema is not enabled'],
    [['--cpuset-cpus', '99'], 'numerical result out of range'],
    [['--cpu-share', 'x'], 'invalid value for cpu-share: strconv.ParseUint'],
  ])('%j is refused', async (flags, message) => {
    const container = await running();
    const { status, stderr } = await container.pinion('update', ...flags, container.id);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });

  test('one limit that is refused leaves all as they were', async () => {
    const container = await running({
      edit: ({ linux }) => {
        linux.resources = { memory: { limit: 128 << 20 }, cpu: { shares: 512, period: 50_000 } };
      },
    });
    const names = ['memory', 'memoryAndSwap', 'shares', 'quota'] as const;
    const before = names.map((name) => limit(container, name));
    const flags = ['--memory', '64m', '--memory-swap', '96m', '--cpu-share', '300'];
    const args = ['update', ...flags, '--cpu-period', '100000', '--cpu-quota', '10', container.id];
    const { status, stderr } = await container.pinion(...args);
    expect(status).toBe(1);
    expect(stderr).toMatch(/failed to write .*: invalid argument/);
    expect(names.map((name) => limit(container, name))).toEqual(before);
  });

  test('a container that has stopped', async () => {
    const container = await running({ args: ['/bin/true'] });
    await expect.poll(async () => (await container.state()).status).toBe('stopped');
    const { stderr } = await container.pinion('update', '--pids-limit', '9', container.id);
    expect(stderr).toContain('container not running');
  });
});

describe('events', () => {
  test('--stats has numbers that fit into 64 bits, to the last digit', async () => {
    const container = await running();
    const { stdout } = await container.pinion('events', '--stats', container.id);
    const [, limit] = /"memory":\{.*?"usage":\{"limit":(\d+)/.exec(stdout) ?? [];
    // No limit: the largest number of pages, or of bytes.
    expect(limit).toBe(isUnified ? '18446744073709551615' : '9223372036854771712');
  });

  test('--stats tells once what is used, and the limits', async () => {
    const container = await running({
      edit: ({ linux }) => {
        linux.resources = { memory: { limit: 256 << 20 }, pids: { limit: 50 } };
      },
    });
    const { status, stdout } = await container.pinion('events', '--stats', container.id);
    expect(status).toBe(0);
    const { type, id, data } = JSON.parse(stdout);
    expect({ type, id }).toEqual({ type: 'stats', id: container.id });
    expect(data.pids).toEqual({ current: 1, limit: 50 });
    expect(data.memory.usage).toMatchObject({ limit: 256 << 20, failcnt: 0 });
    expect(data.memory.usage.usage).toBeGreaterThan(0);
    expect(data.memory.raw[isUnified ? 'anon' : 'rss']).toBeGreaterThan(0);
    expect(data.cpu.usage.total).toBeGreaterThan(0);
    // Of version 2, runc tells none.
    if (!isUnified) expect(data.cpuset.cpus.length).toBeGreaterThan(0);
    expect(data).toMatchObject({ hugetlb: {}, intel_rdt: {}, network_interfaces: null });
  });

  test('they come at intervals until the container ends', async () => {
    const container = await running();
    const child = container.spawn(['events', '--interval', '100ms', container.id]);
    const ended = container.end(child);
    const lines = () => readFileSync(container.stdout, 'utf8').trim().split('\n').length;
    await expect.poll(lines).toBeGreaterThan(2);
    await container.pinion('kill', container.id, 'KILL');
    expect(await ended).toMatchObject({ status: 0, stderr: '' });
  });

  test('a kill for want of memory is an event', async () => {
    const container = await running({
      args: ['/bin/sh', '-c', 'read x; x=aaaaaaaa; while :; do x=$x$x; done'],
      edit: (config, base) => {
        config.linux.resources = { memory: { limit: 48 << 20, swap: 48 << 20 } };
        config.mounts.push({ destination: '/go', type: 'bind', source: base, options: ['bind'] });
        config.process.args = ['/bin/sh', '-c', WASTE];
      },
    });
    const child = container.spawn(['events', container.id]);
    await once(child, 'spawn');
    await new Promise((resolve) => setTimeout(resolve, 500));
    writeFileSync(join(container.base, 'start'), '');
    const { status, stdout } = await container.end(child);
    expect(status).toBe(0);
    expect(stdout.split('\n')).toContain(JSON.stringify({ type: 'oom', id: container.id }));
  });

  test.each([
    [['--interval', '0s'], 'duration interval must be greater than 0'],
    [['--interval', 'x'], 'invalid value \\"x\\" for flag -interval: parse error'],
  ])('%j is refused', async (flags, message) => {
    const container = await running();
    const { status, stderr } = await container.pinion('events', ...flags, container.id);
    expect(status).toBe(1);
    expect(stderr).toContain(message);
  });
});

/** Waits for a file, then fills a file system that lies in memory. */
const WASTE = 'while [ ! -e /go/start ]; do sleep 0.1; done; cat /dev/zero >/dev/fill';

test('what a stack may grow to is no part of the address space', async () => {
  const container = new Container({
    args: ['/bin/sh', '-c', 'echo "$((6 * 7))"'],
    edit: (config) => {
      config.process.rlimits = [
        { type: 'RLIMIT_AS', soft: 2 ** 30, hard: 2 ** 30 },
        { type: 'RLIMIT_STACK', soft: 9 * 2 ** 30, hard: 9 * 2 ** 30 },
      ];
    },
  });
  expect(await container.launch('run')).toMatchObject({ status: 0, stdout: '42\n', stderr: '' });
});
