/**
 * Statistics of a container, in the shape that `runc events` has and go-runc reads. Values that are
 * zero are absent where runc leaves them out.
 */
export interface Stats {
  cpu: { usage: CpuUsage; throttling: Throttling };
  cpuset: Cpuset;
  memory: MemoryStats;
  pids: { current?: number; limit?: number };
  blkio: Record<string, BlockIoEntry[]>;
  hugetlb: Record<string, { usage?: number; max?: number; failcnt: number }>;
  intel_rdt: Record<string, never>;
  network_interfaces: null;
}

/** In nanoseconds. */
export interface CpuUsage {
  total?: number;
  percpu?: number[];
  percpu_kernel?: number[];
  percpu_user?: number[];
  kernel: number;
  user: number;
}

export interface Throttling {
  periods?: number;
  throttledPeriods?: number;
  throttledTime?: number;
}

export interface Cpuset {
  cpus?: number[];
  cpu_exclusive: number;
  mems?: number[];
  mem_hardwall: number;
  mem_exclusive: number;
  memory_migrate: number;
  memory_spread_page: number;
  memory_spread_slab: number;
  memory_pressure: number;
  sched_load_balance: number;
  sched_relax_domain_level: number;
}

/** In bytes. */
export interface MemoryEntry {
  limit: number;
  usage?: number;
  max?: number;
  failcnt: number;
}

export interface MemoryStats {
  cache?: number;
  usage: MemoryEntry;
  swap: MemoryEntry;
  kernel: MemoryEntry;
  kernelTCP: MemoryEntry;
  raw?: Record<string, number>;
}

export interface BlockIoEntry {
  major?: number;
  minor?: number;
  op?: string;
  value?: number;
}

/** Without the values that are zero, as Go's `omitempty`. */
export function nonZero<T extends Record<string, unknown>>(values: T): Partial<T> {
  const kept = Object.entries(values).filter(
    ([, value]) => value !== 0 && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(kept) as Partial<T>;
}
