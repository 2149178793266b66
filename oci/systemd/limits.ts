/**
 * config-linux.md#control-groups as properties of a unit (systemd.resource-control(5), and under
 * their D-Bus names org.freedesktop.systemd1(5)): those that runc sets. The group's files are
 * written as well; the properties are what systemd goes by when it writes those again.
 */
import type { DeviceList } from '../plan/cgroups/devices.ts';
import { weightOfShares } from '../plan/cgroups/limits.ts';
import { hostTasks, hostTasksText } from '../plan/cgroups/tasks.ts';
import { planError } from '../plan/errors.ts';
import type { Resources, Wide } from '../spec/index.ts';
import { INFINITY, type Property, text, wide } from './property.ts';

/** One number under one name. 0 asks for nothing. */
function number(name: string, value: Wide | undefined): Property[] {
  return Number(value ?? 0) === 0 ? [] : [wide(name, value ?? 0)];
}

/** @param unified - The host has cgroup v2 alone. */
export function limitProperties(resources: Resources, unified: boolean): Property[] {
  const { memory, cpu, pids, blockIO } = resources;
  const common = [
    ...cpuQuota(cpu?.quota ?? 0, cpu?.period ?? 0),
    ...number('TasksMax', pids?.limit && hostTasks(pids.limit)),
    ...cpuset('AllowedCPUs', cpu?.cpus),
    ...cpuset('AllowedMemoryNodes', cpu?.mems),
  ];
  if (!unified) {
    return [
      ...number('MemoryLimit', memory?.limit),
      ...number('CPUShares', cpu?.shares),
      ...number('BlockIOWeight', blockIO?.weight),
      ...common,
    ];
  }
  const shares = Number(cpu?.shares ?? 0);
  return [
    ...number('MemoryMax', memory?.limit),
    ...number('MemoryLow', memory?.reservation),
    ...swap(memory),
    ...(shares === 0 ? [] : [wide('CPUWeight', Number(weightOfShares(shares)))]),
    ...common,
    ...Object.entries(resources.unified ?? {}).flatMap(([file, value]) =>
      (UNIFIED[file] ?? (() => []))(value),
    ),
  ];
}

/** v2 limits swap alone; config.json has memory and swap together. What is refused, the plan refuses. */
function swap(memory: Resources['memory']): Property[] {
  const both = BigInt(memory?.swap ?? 0);
  const limit = BigInt(memory?.limit ?? 0);
  if (both < 0n || (both === 0n && limit < 0n)) return [wide('MemorySwapMax', INFINITY)];
  return both === 0n ? [] : [wide('MemorySwapMax', both - limit)];
}

const DEFAULT_PERIOD = 100_000n;
/** systemd counts in hundredths of a processor: a part of one is a whole one, so that ours fits in. */
const STEP = 10_000n;

/** @param quota - Microseconds in each `period`, which are microseconds too; 0: not given. */
function cpuQuota(quota: Wide, period: Wide): Property[] {
  if (Number(quota) === 0 && Number(period) === 0) return [];
  const perSecond =
    quota > 0 ? (BigInt(quota) * 1_000_000n) / (BigInt(period) || DEFAULT_PERIOD) : INFINITY;
  const rounded = perSecond === INFINITY ? INFINITY : ((perSecond + STEP - 1n) / STEP) * STEP;
  return [
    ...(Number(period) === 0 ? [] : [wide('CPUQuotaPeriodUSec', period, 242)]),
    wide('CPUQuotaPerSecUSec', rounded),
  ];
}

/** The highest CPU or memory node that a list may name: the kernel's own limits are lower. */
const MAX_NUMBER = 65_535;

/** A list in the kernel's format (cpuset(7), "List format"), as a mask of bytes. */
function cpuset(name: string, list: string | undefined): Property[] {
  if (list === undefined || list === '') return [];
  const mask: number[] = [];
  for (const range of list.split(',')) {
    const [, first, last] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(range) ?? [];
    const end = Number(last ?? first);
    if (first === undefined || Number(first) > end || end > MAX_NUMBER) {
      throw planError(`unable to convert ${JSON.stringify(list)} to systemd's ${name}`);
    }
    for (let bit = Number(first); bit <= end; bit++) {
      while (mask.length <= bit >> 3) mask.push(0);
      mask[bit >> 3] = (mask[bit >> 3] ?? 0) | (1 << (bit & 7));
    }
  }
  const words = [String(mask.length), ...mask.map(String)];
  return [{ name, signature: 'ay', words, since: 244 }];
}

const orInfinity =
  (name: string) =>
  (value: string): Property[] => {
    if (value === 'max') return [wide(name, INFINITY)];
    if (!/^\d+$/.test(value))
      throw planError(`unified resource: ${JSON.stringify(value)} is no number`);
    return [wide(name, BigInt(value))];
  };

/** Files of v2 that have a property: what `linux.resources.unified` may hold. */
const UNIFIED: Readonly<Record<string, (value: string) => Property[]>> = {
  'cpu.max': (value) => {
    const [quota = '', period = '0'] = value.trim().split(/\s+/);
    if (!/^(max|\d+)$/.test(quota) || !/^\d+$/.test(period)) {
      throw planError(`unified resource "cpu.max" value ${JSON.stringify(value)} is invalid`);
    }
    return cpuQuota(quota === 'max' ? -1 : BigInt(quota), BigInt(period));
  },
  'cpu.weight': orInfinity('CPUWeight'),
  'cpuset.cpus': (value) => cpuset('AllowedCPUs', value),
  'cpuset.mems': (value) => cpuset('AllowedMemoryNodes', value),
  'memory.min': orInfinity('MemoryMin'),
  'memory.low': orInfinity('MemoryLow'),
  'memory.high': orInfinity('MemoryHigh'),
  'memory.max': orInfinity('MemoryMax'),
  'memory.swap.max': orInfinity('MemorySwapMax'),
  'pids.max': (value) => orInfinity('TasksMax')(hostTasksText(value)),
};

/** systemd knows lists of what is allowed only; of others the group's own rules take care. */
export function deviceProperties({ allowByDefault, exceptions }: DeviceList): Property[] {
  const allowed = allowByDefault
    ? []
    : exceptions.filter(({ minor, major }) => major !== undefined || minor === undefined);
  const words = allowed.flatMap(({ type, major, minor, access }) => {
    const kind = type === 'b' ? 'block' : 'char';
    if (minor !== undefined) return [`/dev/${kind}/${major}:${minor}`, access];
    return [`${kind}-${major ?? '*'}`, access];
  });
  return [
    text('DevicePolicy', allowByDefault ? 'auto' : 'strict'),
    // The empty list takes away what was allowed before.
    { name: 'DeviceAllow', signature: 'a(ss)', words: ['0'] },
    ...(allowed.length === 0
      ? []
      : [{ name: 'DeviceAllow', signature: 'a(ss)', words: [String(allowed.length), ...words] }]),
  ];
}
