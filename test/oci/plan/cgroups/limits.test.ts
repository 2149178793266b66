import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ioWeight } from '../../../../oci/plan/cgroups/block-io.ts';
import { weightOfShares } from '../../../../oci/plan/cgroups/limits.ts';
import { computePlan } from '../../../../oci/plan/index.ts';
import type { Resources } from '../../../../oci/spec/index.ts';
import {
  config,
  hierarchiesV1,
  hierarchyV2,
  planOptions,
  temporary,
  V1_CONTROLLERS,
} from '../fixture.ts';

const namespaces = [{ type: 'mount' as const }];

/** The limits of a plan: `file = value`, marked `?` when they may fail. */
function limits(version: 1 | 2, resources: Resources, controllers = V1_CONTROLLERS): string[] {
  const root = temporary();
  const cgroups = version === 1 ? hierarchiesV1(root, controllers) : [hierarchyV2(root)];
  const host = { cgroups, cores: 2 };
  const { cgroup } = computePlan(
    config({ linux: { namespaces, resources } }),
    planOptions({ host }),
  );
  const ours = /\/(devices\.(allow|deny)|cgroup\.subtree_control)$/;
  return (cgroup?.writes ?? [])
    .filter(({ path }) => !ours.test(path))
    .map(({ path, value, optional }) => {
      expect(path).toMatch(/\/c1\/[^/]+$/);
      return `${path.split('/').at(-1)}${optional ? '?' : ''} = ${value}`;
    });
}

const device = { major: 8, minor: 16 };

/** Resources, the files of v1, the files of v2 (or what the refusal of v2 names). */
const TABLE: [Resources, string[], string[] | string][] = [
  [{}, [], []],
  [{ memory: {}, cpu: {}, blockIO: {}, network: {}, rdma: {}, hugepageLimits: [] }, [], []],
  [{ memory: { limit: 0, reservation: 0, swap: 0 } }, [], []],
  [{ memory: { limit: 1024 } }, ['memory.limit_in_bytes = 1024'], ['memory.max = 1024']],
  [
    { memory: { limit: 1024, swap: 3072 } },
    ['memory.limit_in_bytes = 1024', 'memory.memsw.limit_in_bytes = 3072'],
    ['memory.swap.max = 2048', 'memory.max = 1024'],
  ],
  [
    { memory: { limit: 1024, swap: -1 } },
    ['memory.memsw.limit_in_bytes = -1', 'memory.limit_in_bytes = 1024'],
    ['memory.swap.max = max', 'memory.max = 1024'],
  ],
  [
    { memory: { limit: -1 } },
    ['memory.memsw.limit_in_bytes? = -1', 'memory.limit_in_bytes = -1'],
    ['memory.swap.max = max', 'memory.max = max'],
  ],
  [
    { memory: { limit: 9223372036854775807n, swap: 9223372036854775807n } },
    [
      'memory.limit_in_bytes = 9223372036854775807',
      'memory.memsw.limit_in_bytes = 9223372036854775807',
    ],
    ['memory.swap.max = 0', 'memory.max = 9223372036854775807'],
  ],
  [{ memory: { reservation: 512 } }, ['memory.soft_limit_in_bytes = 512'], ['memory.low = 512']],
  [{ memory: { reservation: -1 } }, ['memory.soft_limit_in_bytes = -1'], ['memory.low = max']],
  [{ memory: { swappiness: 0 } }, ['memory.swappiness = 0'], 'memory.swappiness'],
  [{ memory: { swappiness: 18446744073709551615n } }, [], []],
  [{ memory: { disableOOMKiller: true } }, ['memory.oom_control = 1'], 'memory.disableOOMKiller'],
  [{ memory: { disableOOMKiller: false, useHierarchy: true, checkBeforeUpdate: true } }, [], []],
  [{ memory: { kernel: 1, kernelTCP: 1 } }, [], []],
  [{ cpu: { shares: 1024 } }, ['cpu.shares = 1024'], ['cpu.weight = 39']],
  [
    { cpu: { quota: 5000, period: 10000 } },
    ['cpu.cfs_period_us = 10000', 'cpu.cfs_quota_us = 5000'],
    ['cpu.max = 5000 10000'],
  ],
  [{ cpu: { quota: 5000 } }, ['cpu.cfs_quota_us = 5000'], ['cpu.max = 5000']],
  [{ cpu: { quota: -1 } }, ['cpu.cfs_quota_us = -1'], ['cpu.max = max']],
  [{ cpu: { period: 10000 } }, ['cpu.cfs_period_us = 10000'], ['cpu.max = max 10000']],
  [{ cpu: { burst: 0 } }, ['cpu.cfs_burst_us = 0'], ['cpu.max.burst = 0']],
  [{ cpu: { idle: 1 } }, ['cpu.idle = 1'], ['cpu.idle = 1']],
  [{ cpu: { realtimePeriod: 7 } }, ['cpu.rt_period_us = 7'], 'cpu.realtimePeriod'],
  [{ cpu: { realtimeRuntime: 6 } }, ['cpu.rt_runtime_us = 6'], 'cpu.realtimeRuntime'],
  [
    { cpu: { cpus: '0-1', mems: '0' } },
    ['cpuset.cpus = 0-1', 'cpuset.mems = 0'],
    ['cpuset.cpus = 0-1', 'cpuset.mems = 0'],
  ],
  [{ pids: { limit: 5 } }, ['pids.max = 46'], ['pids.max = 46']],
  [{ pids: { limit: -1 } }, ['pids.max = max'], ['pids.max = max']],
  [{ pids: { limit: 0 } }, [], []],
  [{ blockIO: { weight: 10 } }, ['blkio.bfq.weight = 10'], ['io.bfq.weight = 10']],
  [{ blockIO: { leafWeight: 10 } }, ['blkio.leaf_weight = 10'], 'blockIO.leafWeight'],
  [
    { blockIO: { weightDevice: [{ ...device, weight: 20 }] } },
    ['blkio.bfq.weight_device = 8:16 20'],
    ['io.bfq.weight = 8:16 20'],
  ],
  [
    {
      blockIO: {
        throttleReadBpsDevice: [
          { ...device, rate: 5 },
          { ...device, rate: 0 },
        ],
      },
    },
    ['blkio.throttle.read_bps_device = 8:16 5', 'blkio.throttle.read_bps_device = 8:16 0'],
    ['io.max = 8:16 rbps=5', 'io.max = 8:16 rbps=max'],
  ],
  [
    {
      blockIO: {
        throttleWriteBpsDevice: [{ ...device, rate: 1 }],
        throttleReadIOPSDevice: [{ ...device, rate: 2 }],
        throttleWriteIOPSDevice: [{ ...device, rate: 18446744073709551615n }],
      },
    },
    [
      'blkio.throttle.write_bps_device = 8:16 1',
      'blkio.throttle.read_iops_device = 8:16 2',
      'blkio.throttle.write_iops_device = 8:16 18446744073709551615',
    ],
    ['io.max = 8:16 wbps=1', 'io.max = 8:16 riops=2', 'io.max = 8:16 wiops=18446744073709551615'],
  ],
  [
    { hugepageLimits: [{ pageSize: '2MB', limit: 4096 }] },
    ['hugetlb.2MB.limit_in_bytes = 4096', 'hugetlb.2MB.rsvd.limit_in_bytes? = 4096'],
    ['hugetlb.2MB.max = 4096', 'hugetlb.2MB.rsvd.max? = 4096'],
  ],
  [{ network: { classID: 1048577 } }, ['net_cls.classid = 1048577'], 'network.classID'],
  [
    { network: { priorities: [{ name: 'eth0', priority: 5 }] } },
    ['net_prio.ifpriomap = eth0 5'],
    'network.priorities',
  ],
  [
    { rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 0 }, rxe3: { hcaObjects: 9 } } },
    ['rdma.max = mlx5_1 hca_handle=3 hca_object=0', 'rdma.max = rxe3 hca_object=9'],
    ['rdma.max = mlx5_1 hca_handle=3 hca_object=0', 'rdma.max = rxe3 hca_object=9'],
  ],
];

/** Large integers are bigints, which JSON.stringify refuses. */
const CASES = TABLE.map(([resources, v1, v2]) => {
  const name = JSON.stringify(resources, (_, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  return [name, resources, v1, v2] as const;
});

it.each(CASES)('v1: %s', (_, resources, v1) => {
  expect(limits(1, resources)).toEqual(v1);
});

it.each(CASES)('v2: %s', (_, resources, _v1, v2) => {
  if (typeof v2 === 'string') {
    const message = `config.json: linux.resources.${v2}: cgroup v2 has no such limit`;
    expect(() => limits(2, resources)).toThrow(message);
  } else {
    expect(limits(2, resources)).toEqual(v2);
  }
});

describe('what is refused', () => {
  it.each([
    [1, { memory: { swappiness: 101 } }, 'invalid memory swappiness value: 101'],
    [1, { cpu: { shares: 1 } }, 'the minimum allowed cpu-shares is 2'],
    [1, { cpu: { shares: 262145 } }, 'the maximum allowed cpu-shares is 262144'],
    [2, { memory: { swap: 1024 } }, 'unable to set swap limit without memory limit'],
    [2, { memory: { limit: 2048, swap: 1024 } }, 'memory+swap limit should be >= memory limit'],
    [1, { unified: { 'memory.high': '1' } }, 'cannot use unified on cgroup v1'],
    [2, { unified: { 'a/b': '1' } }, 'unified resource "a/b" must be a file name (no slashes)'],
    [2, { unified: { '..': '1' } }, 'linux.resources.unified: ".." is not a resource'],
    [2, { unified: { 'cgroup.procs': '1' } }, '"cgroup.procs" is not a resource'],
    [1, { rdma: { 'a b': {} } }, 'linux.resources.rdma: "a b" is not a name'],
    [1, { network: { priorities: [{ name: 'e\nf', priority: 1 }] } }, '"e\\nf" is not a name'],
    [1, { blockIO: { weightDevice: [{ major: -1, minor: 0, weight: 9 }] } }, 'blockIO: major'],
  ] as const)('v%i %j', (version, resources, message) => {
    expect(() => limits(version, resources as Resources)).toThrow(message);
  });

  it('a limit whose controller the host lacks', () => {
    expect(() => limits(1, { pids: { limit: 5 } }, ['devices'])).toThrow(
      'config.json: linux.resources.pids.limit: this host has no pids controller',
    );
    expect(() => limits(1, {}, ['pids'])).toThrow('no devices cgroup is mounted');
  });
});

it('writes raw files of v2', () => {
  expect(limits(2, { unified: { 'memory.high': '1', 'io.max': '8:0 rbps=1' } })).toEqual([
    'memory.high = 1',
    'io.max = 8:0 rbps=1',
  ]);
});

it('weighs block devices by what the groups of the host have', () => {
  const root = temporary();
  const [blkio, ...others] = hierarchiesV1(root, ['blkio', 'devices']);
  const parent = join(blkio?.mountpoint ?? '', 'parent');
  mkdirSync(parent);
  writeFileSync(join(parent, 'blkio.weight'), '500');
  const host = { cgroups: blkio ? [{ ...blkio, own: parent }, ...others] : others, cores: 1 };
  const linux = { namespaces, resources: { blockIO: { weight: 100 } } };
  const { cgroup } = computePlan(config({ linux }), planOptions({ host }));
  expect(cgroup?.writes[0]).toMatchObject({ path: join(parent, 'c1/blkio.weight'), value: '100' });
});

it('converts shares and weights along the whole range', () => {
  expect(weightOfShares(2)).toBe('1');
  expect(weightOfShares(262_144)).toBe('10000');
  expect([ioWeight(10), ioWeight(500), ioWeight(1000)]).toEqual([1, 4950, 10_000]);
  let last = 0;
  for (let shares = 2; shares <= 262_144; shares += 97) {
    const weight = Number(weightOfShares(shares));
    expect(weight).toBeGreaterThanOrEqual(last);
    last = weight;
  }
});
