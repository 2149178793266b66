/** A container's record, and the process that joins it -> join plan. */
import { runcError } from '../errors.ts';
import type { JoinPlan } from '../join-plan.ts';
import type { Process } from '../spec/index.ts';
import type { ContainerRecord, PlanProcess } from '../state/record.ts';
import { planProcess, type Warn } from './process.ts';
import { refuseUnsupportedProcess } from './unsupported.ts';

export interface JoinOptions {
  process: PlanProcess;
  /** Absolute directories of the groups that it joins. */
  cgroups: string[];
  /** Whether the launcher stays as its parent. */
  foreground: boolean;
  /** How many descriptors from 3 on are for it. */
  preserveFds: number;
  /** Absolute path of the unikernel image. */
  kernel: string;
  /** Absolute path of the file in which guests count what they ask for in vain. */
  missing: string;
  /** Whether the monitor prints the guest's boot line and exit counters. */
  verbose: boolean;
}

export function computeJoinPlan(record: ContainerRecord, options: JoinOptions): JoinPlan {
  const { id, init, machine } = record;
  if (init === null) throw runcError('ERR_PINION_EXEC_STOPPED');
  const { process, cgroups, foreground, preserveFds, kernel, missing, verbose } = options;
  return {
    id,
    foreground,
    init,
    cgroups,
    process,
    preserveFds,
    machine: { kernel, ...machine, missing, verbose },
  };
}

/**
 * An OCI process for a container that is there. What it leaves open is as the container's own process
 * has it, by runc's rules.
 */
export function planJoiningProcess(
  process: Process,
  container: PlanProcess,
  warn?: Warn,
): PlanProcess {
  refuseUnsupportedProcess(process);
  const plan = planProcess(process, warn);
  const capabilities = plan.capabilities ?? container.capabilities;
  const oomScoreAdj = plan.oomScoreAdj ?? container.oomScoreAdj;
  return {
    ...kept(container),
    ...plan,
    rlimits: plan.rlimits.length > 0 ? plan.rlimits : container.rlimits,
    ...(capabilities !== undefined && { capabilities }),
    ...(oomScoreAdj !== undefined && { oomScoreAdj }),
  };
}

/** What a process has as the container has it, unless it has its own. */
function kept(container: PlanProcess): Partial<PlanProcess> {
  const { seccomp, memoryPolicy, apparmorProfile, ioPriority, scheduler } = container;
  const { execCpuAffinity } = container;
  return {
    ...(seccomp !== undefined && { seccomp }),
    ...(memoryPolicy !== undefined && { memoryPolicy }),
    ...(apparmorProfile !== undefined && { apparmorProfile }),
    ...(ioPriority !== undefined && { ioPriority }),
    ...(scheduler !== undefined && { scheduler }),
    ...(execCpuAffinity !== undefined && { execCpuAffinity }),
  };
}
