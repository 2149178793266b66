/**
 * config-linux.md#control-groups: each limit, and what it is written to in cgroup v1
 * (cgroups(7), the kernel's admin-guide/cgroup-v1) and v2 (admin-guide/cgroup-v2).
 */
import type { Resources, Wide } from '../../spec/index.ts';
import { planError, propertyError } from '../errors.ts';
import { blockIoLimits } from './block-io.ts';
import { hostTasks } from './tasks.ts';

/** A file of the group and what to write. */
export interface Write {
  file: string;
  value: string;
  /** An error is none of the launch: the kernel may lack the file. */
  optional?: true;
}

/** The writes that a config asks for: none when it leaves the limit alone. */
export type Writes = (resources: Resources, group: { directory: string }) => Write[];

export interface Limit {
  /** The property below linux.resources. */
  property: string;
  controller: string;
  /** Absent: that version of cgroups has no such limit. */
  v1?: Writes;
  v2?: Writes;
}

type Read = (resources: Resources) => Wide | undefined;
type Convert = (value: Wide) => string;

const decimal: Convert = (value) => String(value);
/** Negative: no limit. */
const orMax: Convert = (value) => (value < 0 ? 'max' : String(value));

const tasks: Convert = (value) => orMax(hostTasks(value));

/** One number to one file. 0 asks for nothing, as in runc, whose integers have no absent value. */
function number(file: string, read: Read, convert: Convert = decimal): Writes {
  return (resources) => {
    const value = read(resources) ?? 0;
    return Number(value) === 0 ? [] : [{ file, value: convert(value) }];
  };
}

/** One number to one file, where 0 is a value too. */
function exactly(file: string, read: Read): Writes {
  return (resources) => {
    const value = read(resources);
    return value === undefined ? [] : [{ file, value: String(value) }];
  };
}

function text(file: string, read: (resources: Resources) => string | undefined): Writes {
  return (resources) => {
    const value = read(resources) ?? '';
    return value === '' ? [] : [{ file, value }];
  };
}

/** v1: the limit of memory and swap together may never be below that of memory. */
const memoryV1: Writes = ({ memory }) => {
  const limit = memory?.limit ?? 0;
  const swap = memory?.swap ?? 0;
  const limits: Write[] = [];
  if (Number(limit) !== 0) {
    limits.push({ file: 'memory.limit_in_bytes', value: String(limit) });
  }
  const file = 'memory.memsw.limit_in_bytes';
  if (Number(swap) !== 0) limits.push({ file, value: String(swap) });
  else if (limit === -1) limits.push({ file, value: '-1', optional: true });
  return swap === -1 || limit === -1 ? limits.reverse() : limits;
};

/** v2 limits swap alone; config.json has memory and swap together. */
const memoryV2: Writes = ({ memory }) => {
  const limit = BigInt(memory?.limit ?? 0);
  const swap = BigInt(memory?.swap ?? 0);
  const writes: Write[] = [];
  if (swap < 0n || (swap === 0n && limit < 0n)) {
    writes.push({ file: 'memory.swap.max', value: 'max' });
  } else if (swap > 0n) {
    if (limit <= 0n) throw planError('unable to set swap limit without memory limit');
    if (swap < limit) throw planError('memory+swap limit should be >= memory limit');
    writes.push({ file: 'memory.swap.max', value: String(swap - limit) });
  }
  if (limit !== 0n) writes.push({ file: 'memory.max', value: orMax(limit) });
  return writes;
};

/** What docker's -1 ("the host's") becomes on its way through an unsigned integer. */
const UNSET_SWAPPINESS = 2n ** 64n - 1n;

const swappinessV1: Writes = ({ memory }) => {
  const value = memory?.swappiness;
  if (value === undefined || value === UNSET_SWAPPINESS) return [];
  if (value > 100) {
    throw planError(`invalid memory swappiness value: ${value} (valid range is 0-100)`);
  }
  return [{ file: 'memory.swappiness', value: String(value) }];
};

const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** The kernel would clamp the value without a word; runc reads it back and refuses. */
const sharesV1: Convert = (shares) => {
  if (shares < MIN_SHARES) throw planError(`the minimum allowed cpu-shares is ${MIN_SHARES}`);
  if (shares > MAX_SHARES) throw planError(`the maximum allowed cpu-shares is ${MAX_SHARES}`);
  return String(shares);
};

/** [2, 262144] -> [1, 10000], the same straight line as runc's and systemd's. */
export const weightOfShares: Convert = (shares) =>
  String(1 + Math.floor(((Number(sharesV1(shares)) - 2) * 9999) / 262_142));

const quotaV2: Writes = ({ cpu }) => {
  const quota = cpu?.quota ?? 0;
  const period = Number(cpu?.period ?? 0);
  if (Number(quota) === 0 && period === 0) return [];
  const value = quota > 0 ? String(quota) : 'max';
  return [{ file: 'cpu.max', value: period === 0 ? value : `${value} ${period}` }];
};

/** A name that is one word of a line which the kernel parses. */
function word(name: string, path: string): string {
  if (/^\S+$/.test(name)) return name;
  throw propertyError(path, `${JSON.stringify(name)} is not a name`);
}

const hugepages =
  (suffix: string, reserved: string): Writes =>
  ({ hugepageLimits }) =>
    (hugepageLimits ?? []).flatMap(({ pageSize, limit }) => [
      { file: `hugetlb.${pageSize}.${suffix}`, value: String(limit) },
      { file: `hugetlb.${pageSize}.${reserved}`, value: String(limit), optional: true },
    ]);

const rdma: Writes = ({ rdma }) =>
  Object.entries(rdma ?? {}).map(([device, { hcaHandles, hcaObjects }]) => {
    const parts = [word(device, 'linux.resources.rdma')];
    if (hcaHandles !== undefined) parts.push(`hca_handle=${hcaHandles}`);
    if (hcaObjects !== undefined) parts.push(`hca_object=${hcaObjects}`);
    return { file: 'rdma.max', value: parts.join(' ') };
  });

const priorities: Writes = ({ network }) =>
  (network?.priorities ?? []).map(({ name, priority }) => ({
    file: 'net_prio.ifpriomap',
    value: `${word(name, 'linux.resources.network.priorities')} ${priority}`,
  }));

/** Carried out in this order. */
export const LIMITS: readonly Limit[] = [
  {
    property: 'cpu.cpus',
    controller: 'cpuset',
    v1: text('cpuset.cpus', ({ cpu }) => cpu?.cpus),
    v2: text('cpuset.cpus', ({ cpu }) => cpu?.cpus),
  },
  {
    property: 'cpu.mems',
    controller: 'cpuset',
    v1: text('cpuset.mems', ({ cpu }) => cpu?.mems),
    v2: text('cpuset.mems', ({ cpu }) => cpu?.mems),
  },
  { property: 'memory', controller: 'memory', v1: memoryV1, v2: memoryV2 },
  {
    property: 'memory.reservation',
    controller: 'memory',
    v1: number('memory.soft_limit_in_bytes', ({ memory }) => memory?.reservation),
    v2: number('memory.low', ({ memory }) => memory?.reservation, orMax),
  },
  { property: 'memory.swappiness', controller: 'memory', v1: swappinessV1 },
  {
    property: 'memory.disableOOMKiller',
    controller: 'memory',
    v1: ({ memory }) =>
      memory?.disableOOMKiller === true ? [{ file: 'memory.oom_control', value: '1' }] : [],
  },
  {
    property: 'cpu.shares',
    controller: 'cpu',
    v1: number('cpu.shares', ({ cpu }) => cpu?.shares, sharesV1),
    v2: number('cpu.weight', ({ cpu }) => cpu?.shares, weightOfShares),
  },
  {
    property: 'cpu.period',
    controller: 'cpu',
    v1: number('cpu.cfs_period_us', ({ cpu }) => cpu?.period),
    v2: quotaV2,
  },
  {
    property: 'cpu.quota',
    controller: 'cpu',
    v1: number('cpu.cfs_quota_us', ({ cpu }) => cpu?.quota),
    v2: () => [],
  },
  {
    property: 'cpu.burst',
    controller: 'cpu',
    v1: exactly('cpu.cfs_burst_us', ({ cpu }) => cpu?.burst),
    v2: exactly('cpu.max.burst', ({ cpu }) => cpu?.burst),
  },
  {
    property: 'cpu.idle',
    controller: 'cpu',
    v1: exactly('cpu.idle', ({ cpu }) => cpu?.idle),
    v2: exactly('cpu.idle', ({ cpu }) => cpu?.idle),
  },
  {
    property: 'cpu.realtimePeriod',
    controller: 'cpu',
    v1: number('cpu.rt_period_us', ({ cpu }) => cpu?.realtimePeriod),
  },
  {
    property: 'cpu.realtimeRuntime',
    controller: 'cpu',
    v1: number('cpu.rt_runtime_us', ({ cpu }) => cpu?.realtimeRuntime),
  },
  {
    property: 'pids.limit',
    controller: 'pids',
    v1: number('pids.max', ({ pids }) => pids?.limit, tasks),
    v2: number('pids.max', ({ pids }) => pids?.limit, tasks),
  },
  ...blockIoLimits,
  {
    property: 'hugepageLimits',
    controller: 'hugetlb',
    v1: hugepages('limit_in_bytes', 'rsvd.limit_in_bytes'),
    v2: hugepages('max', 'rsvd.max'),
  },
  {
    property: 'network.classID',
    controller: 'net_cls',
    v1: number('net_cls.classid', ({ network }) => network?.classID),
  },
  { property: 'network.priorities', controller: 'net_prio', v1: priorities },
  { property: 'rdma', controller: 'rdma', v1: rdma, v2: rdma },
];
