/** Statistics of a container, from the files of its control groups (cgroups(7)). */
import { GroupFiles, listed } from './read.ts';
import {
  type BlockIoEntry,
  type Cpuset,
  type CpuUsage,
  type MemoryEntry,
  type MemoryStats,
  nonZero,
  type Stats,
  type Throttling,
} from './types.ts';

export type { Stats } from './types.ts';

/**
 * @param directories The container's groups, one for each hierarchy.
 * @param tasks The container's own: the groups count the host's.
 */
export function readStats(
  directories: readonly string[],
  tasks: { current: number; limit: number },
): Stats {
  const files = new GroupFiles(directories);
  // In version 2 all controllers share one directory, and its names.
  const unified = !files.has('cpuacct.usage') && files.has('cgroup.controllers');
  return {
    cpu: unified ? cpuV2(files) : cpuV1(files),
    cpuset: cpuset(files),
    memory: unified ? memoryV2(files) : memoryV1(files),
    pids: files.has('pids.current') ? nonZero({ ...tasks }) : {},
    blkio: unified ? blockIoV2(files) : blockIoV1(files),
    hugetlb: {},
    intel_rdt: {},
    network_interfaces: null,
  };
}

/** cpuacct.stat counts in units of USER_HZ, which is 100 for all programs. */
const TICK = 1e9 / 100;

function cpuV1(files: GroupFiles): Stats['cpu'] {
  const { user = 0, system = 0 } = files.table('cpuacct.stat');
  const [, ...all] = files.rows('cpuacct.usage_all');
  const usage: CpuUsage = {
    ...nonZero({
      total: files.number('cpuacct.usage'),
      percpu: (files.rows('cpuacct.usage_percpu')[0] ?? []).map(Number),
      percpu_kernel: all.map(([, , kernel]) => Number(kernel)),
      percpu_user: all.map(([, inUser]) => Number(inUser)),
    }),
    kernel: system * TICK,
    user: user * TICK,
  };
  const stat = files.table('cpu.stat');
  return { usage, throttling: throttling(stat, stat.throttled_time ?? 0) };
}

function cpuV2(files: GroupFiles): Stats['cpu'] {
  const stat = files.table('cpu.stat');
  const { usage_usec = 0, user_usec = 0, system_usec = 0, throttled_usec = 0 } = stat;
  const usage: CpuUsage = {
    ...nonZero({ total: usage_usec * 1000 }),
    kernel: system_usec * 1000,
    user: user_usec * 1000,
  };
  return { usage, throttling: throttling(stat, throttled_usec * 1000) };
}

function throttling(stat: Record<string, number>, time: number): Throttling {
  const { nr_periods = 0, nr_throttled = 0 } = stat;
  return nonZero({ periods: nr_periods, throttledPeriods: nr_throttled, throttledTime: time });
}

function cpuset(files: GroupFiles): Cpuset {
  const flag = (name: string) => files.number(`cpuset.${name}`);
  return {
    ...nonZero({
      cpus: listed(files.text('cpuset.cpus')),
      mems: listed(files.text('cpuset.mems')),
    }),
    cpu_exclusive: flag('cpu_exclusive'),
    mem_hardwall: flag('mem_hardwall'),
    mem_exclusive: flag('mem_exclusive'),
    memory_migrate: flag('memory_migrate'),
    memory_spread_page: flag('memory_spread_page'),
    memory_spread_slab: flag('memory_spread_slab'),
    memory_pressure: flag('memory_pressure'),
    sched_load_balance: flag('sched_load_balance'),
    sched_relax_domain_level: flag('sched_relax_domain_level'),
  };
}

function memoryV1(files: GroupFiles): MemoryStats {
  const entry = (name: string): MemoryEntry => ({
    limit: files.limit(`${name}.limit_in_bytes`),
    ...nonZero({
      usage: files.number(`${name}.usage_in_bytes`),
      max: files.number(`${name}.max_usage_in_bytes`),
    }),
    failcnt: files.number(`${name}.failcnt`),
  });
  const raw = files.table('memory.stat');
  return {
    ...nonZero({ cache: raw.cache ?? 0 }),
    usage: entry('memory'),
    swap: entry('memory.memsw'),
    kernel: entry('memory.kmem'),
    kernelTCP: entry('memory.kmem.tcp'),
    raw,
  };
}

/** Swap is that of memory and swap together, as version 1 counts it. */
function memoryV2(files: GroupFiles): MemoryStats {
  const [usage, swap] = ['memory.current', 'memory.swap.current'].map((file) => files.number(file));
  const [limit = 0, swapLimit = 0] = ['memory.max', 'memory.swap.max'].map((file) =>
    files.limit(file),
  );
  const [max, failcnt = 0] = [files.number('memory.peak'), files.table('memory.events').max];
  const none: MemoryEntry = { limit: 0, failcnt: 0 };
  const raw = files.table('memory.stat');
  const both = Math.min(limit + swapLimit, 2 ** 64);
  return {
    ...nonZero({ cache: raw.file ?? 0 }),
    usage: { limit, ...nonZero({ usage: usage ?? 0, max }), failcnt },
    swap: { limit: both, ...nonZero({ usage: (usage ?? 0) + (swap ?? 0) }), failcnt: 0 },
    kernel: none,
    kernelTCP: none,
    raw,
  };
}

/** Name here -> name in version 1, of a scheduler with weights or else of throttling. */
const BLOCK_IO = {
  ioServiceBytesRecursive: 'io_service_bytes_recursive',
  ioServicedRecursive: 'io_serviced_recursive',
} as const;

function blockIoV1(files: GroupFiles): Stats['blkio'] {
  const entries = (file: string) =>
    files.rows(file).flatMap(([device, op, value]) => entry(device, op, Number(value)));
  const of = (name: string) => {
    const weighted = entries(`blkio.bfq.${name}`);
    return weighted.length > 0 ? weighted : entries(`blkio.throttle.${name}`);
  };
  const [bytes, times] = [of(BLOCK_IO.ioServiceBytesRecursive), of(BLOCK_IO.ioServicedRecursive)];
  return nonZero({ ioServiceBytesRecursive: bytes, ioServicedRecursive: times }) as Stats['blkio'];
}

/** The words of io.stat that version 1 has too, with their names there. */
const IO_STAT: Readonly<Record<string, readonly [keyof typeof BLOCK_IO, string]>> = {
  rbytes: ['ioServiceBytesRecursive', 'Read'],
  wbytes: ['ioServiceBytesRecursive', 'Write'],
  rios: ['ioServicedRecursive', 'Read'],
  wios: ['ioServicedRecursive', 'Write'],
};

function blockIoV2(files: GroupFiles): Stats['blkio'] {
  const blkio: Stats['blkio'] = {};
  for (const [device, ...pairs] of files.rows('io.stat')) {
    for (const pair of pairs) {
      const [word = '', value] = pair.split('=');
      const [list, op] = IO_STAT[word] ?? [];
      if (list === undefined) continue;
      blkio[list] = [...(blkio[list] ?? []), ...entry(device, op, Number(value))];
    }
  }
  return blkio;
}

/** None for a line that is no device's: the total of all. */
function entry(device = '', op = '', value = 0): BlockIoEntry[] {
  const [, major, minor] = /^(\d+):(\d+)$/.exec(device) ?? [];
  if (major === undefined) return [];
  return [nonZero({ major: Number(major), minor: Number(minor), op, value })];
}
