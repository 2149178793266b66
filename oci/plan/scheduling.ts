/** When and where a process runs, reads and allocates: scheduler, CPUs, I/O priority, memory nodes. */
import type { LaunchPlan } from '../launch-plan.ts';
import type { Config } from '../spec/index.ts';
import { propertyError } from './errors.ts';

type PlanProcess = LaunchPlan['process'];
type SpecProcess = NonNullable<Config['process']>;
type MemoryPolicy = NonNullable<NonNullable<Config['linux']>['memoryPolicy']>;

/** <linux/ioprio.h>. */
const IO_CLASSES = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 };
const IO_CLASS_SHIFT = 13;

/** <linux/sched.h>. */
const POLICIES: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
const FLAGS: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 0x01,
  SCHED_FLAG_RECLAIM: 0x02,
  SCHED_FLAG_DL_OVERRUN: 0x04,
  SCHED_FLAG_KEEP_POLICY: 0x08,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};

/** <linux/mempolicy.h>; modes, then the flags that are added to them. */
const MEMORY_MODES: Readonly<Record<string, number>> = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
};
const MEMORY_FLAGS: Readonly<Record<string, number>> = {
  MPOL_F_NUMA_BALANCING: 1 << 13,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_STATIC_NODES: 1 << 15,
};

/** Numbers in a list: more than any kernel has CPUs or nodes (CONFIG_NR_CPUS). */
const MOST = 8192;

function number(table: Readonly<Record<string, number>>, name: string, path: string): number {
  const value = Object.hasOwn(table, name) ? table[name] : undefined;
  if (value === undefined) throw propertyError(path, `unknown value ${JSON.stringify(name)}`);
  return value;
}

/** A list of numbers as of cpuset(7), such as "0-3,7". */
export function parseList(list: string, path: string): number[] {
  const numbers = new Set<number>();
  for (const part of list.split(',')) {
    const [, first, last] = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last ?? first)];
    if (first === undefined || from > to || to >= MOST) {
      throw propertyError(path, `${JSON.stringify(list)} is not a list of numbers such as 0-3,7`);
    }
    for (let n = from; n <= to; n++) numbers.add(n);
  }
  return [...numbers].sort((a, b) => a - b);
}

function planIoPriority(asked: NonNullable<SpecProcess['ioPriority']>): number {
  const level = asked.priority ?? 0;
  if (level < 0 || level > 7) {
    throw propertyError('process.ioPriority.priority', `expected 0 to 7, found ${level}`);
  }
  const path = 'process.ioPriority.class';
  return (number(IO_CLASSES, asked.class, path) << IO_CLASS_SHIFT) | level;
}

function planScheduler(
  asked: NonNullable<SpecProcess['scheduler']>,
): NonNullable<PlanProcess['scheduler']> {
  const { nice = 0, priority = 0, flags = [] } = asked;
  const at = (name: string) => `process.scheduler.${name}`;
  const policy = number(POLICIES, asked.policy, at('policy'));
  if (nice < -20 || nice > 19) {
    throw propertyError(at('nice'), `expected -20 to 19, found ${nice}`);
  }
  const isRealTime = asked.policy === 'SCHED_FIFO' || asked.policy === 'SCHED_RR';
  if (priority !== 0 && !isRealTime) {
    throw propertyError(at('priority'), 'only SCHED_FIFO and SCHED_RR have a priority');
  }
  if (priority < 0 || priority > 99) {
    throw propertyError(at('priority'), `expected 0 to 99, found ${priority}`);
  }
  const [runtime, deadline, period] = (['runtime', 'deadline', 'period'] as const).map((name) => {
    const value = Number(asked[name] ?? 0);
    if (value !== 0 && asked.policy !== 'SCHED_DEADLINE') {
      throw propertyError(at(name), `only SCHED_DEADLINE has a ${name}`);
    }
    if (value > Number.MAX_SAFE_INTEGER) throw propertyError(at(name), 'larger than 2^53 - 1');
    return value;
  }) as [number, number, number];
  const bits = flags.map((flag) => number(FLAGS, flag, at('flags')));
  return {
    policy,
    flags: bits.reduce((all, bit) => all | bit, 0),
    nice,
    priority,
    runtime,
    deadline,
    period,
  };
}

function planAffinity({ initial, final }: NonNullable<SpecProcess['execCPUAffinity']>) {
  const at = (name: string) => `process.execCPUAffinity.${name}`;
  const plan: NonNullable<PlanProcess['execCpuAffinity']> = {};
  if (initial) plan.initial = parseList(initial, at('initial'));
  if (final) plan.lasting = parseList(final, at('final'));
  return plan;
}

/** Members of a plan that config.json asks for. */
export function planScheduling({
  ioPriority,
  scheduler,
  execCPUAffinity,
}: SpecProcess): Pick<PlanProcess, 'ioPriority' | 'scheduler' | 'execCpuAffinity'> {
  return {
    ...(ioPriority && { ioPriority: planIoPriority(ioPriority) }),
    ...(scheduler && { scheduler: planScheduler(scheduler) }),
    ...(execCPUAffinity && { execCpuAffinity: planAffinity(execCPUAffinity) }),
  };
}

export function planMemoryPolicy(
  policy: MemoryPolicy | undefined,
): PlanProcess['memoryPolicy'] | undefined {
  if (policy?.mode === undefined) return undefined;
  const at = (name: string) => `linux.memoryPolicy.${name}`;
  const flags = policy.flags ?? [];
  const bits = flags.map((flag) => number(MEMORY_FLAGS, flag, at('flags')));
  return {
    mode: bits.reduce((all, bit) => all | bit, number(MEMORY_MODES, policy.mode, at('mode'))),
    nodes: policy.nodes ? parseList(policy.nodes, at('nodes')) : [],
  };
}
