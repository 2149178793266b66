/** config.json -> launch plan. */
import type { LaunchPlan } from '../launch-plan.ts';
import type { Config } from '../spec/index.ts';
import { planCgroup } from './cgroups/index.ts';
import { planDevices } from './devices.ts';
import { planHooks } from './hooks.ts';
import { planMachine } from './machine.ts';
import { planMounts, planPaths, planRootfs } from './mounts.ts';
import { planIdMappings, planNames, planNamespaces, planTimeOffsets } from './namespaces.ts';
import { planNetDevices } from './net-devices.ts';
import type { PlanOptions } from './options.ts';
import { planProcess } from './process.ts';
import { planMemoryPolicy } from './scheduling.ts';
import { planSeccomp } from './seccomp/index.ts';
import { planSysctl } from './sysctl.ts';
import { refuseUnsupported } from './unsupported.ts';

export { readHost } from './host.ts';
export type { PlanOptions } from './options.ts';

/**
 * Decides all that a launch needs. Reads the host where the answer lies there (the rootfs, cgroup
 * files, joined namespaces) and changes nothing.
 * @throws OciError in one line, which names the property or is runc's.
 */
export function computePlan(config: Config, options: PlanOptions): LaunchPlan {
  const { id, bundle, execFifo } = options;
  refuseUnsupported(config);
  const namespaces = planNamespaces(config);
  const mappings = planIdMappings(config, namespaces);
  const mounts = planMounts(config, bundle, mappings);
  const cgroup = planCgroup(config, options);
  return {
    id,
    foreground: options.foreground,
    namespaces,
    ...mappings,
    timeOffsets: planTimeOffsets(config, namespaces),
    ...(cgroup === undefined ? {} : { cgroup }),
    rootfs: planRootfs(config, bundle, options.noPivot),
    mounts,
    ...planDevices(config, mounts),
    maskedPaths: planPaths(config.linux?.maskedPaths, 'linux.maskedPaths'),
    readonlyPaths: planPaths(config.linux?.readonlyPaths, 'linux.readonlyPaths'),
    ...planNames(config, namespaces),
    sysctl: planSysctl(config, namespaces),
    netDevices: planNetDevices(config, namespaces),
    process: { ...planProcess(config.process, options.warn), ...planForAll(config) },
    ...planHooks(config, id, bundle),
    ...(execFifo === undefined ? {} : { execFifo }),
    preserveFds: options.preserveFds,
    machine: planMachine(config, options),
  };
}

/** What config.json has once for all processes of the container. */
function planForAll({ linux }: Config): Pick<LaunchPlan['process'], 'seccomp' | 'memoryPolicy'> {
  const seccomp = planSeccomp(linux?.seccomp);
  const memoryPolicy = planMemoryPolicy(linux?.memoryPolicy);
  return {
    ...(seccomp !== undefined && { seccomp }),
    ...(memoryPolicy !== undefined && { memoryPolicy }),
  };
}

/** The directories to remove when the container is deleted. */
export function cgroupPaths(plan: LaunchPlan): string[] {
  return plan.cgroup?.join ?? [];
}
