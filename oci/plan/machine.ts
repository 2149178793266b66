/** The size of the microVM. */
import { isAbsolute } from 'node:path';
import type { LaunchPlan } from '../launch-plan.ts';
import type { Config } from '../spec/index.ts';
import { propertyError } from './errors.ts';
import type { PlanOptions } from './options.ts';

const DEFAULT_PERIOD = 100_000;

/** How many CPUs a cpuset list names ("0-3,7"); undefined for one that names none. */
function cpusetSize(list: string): number | undefined {
  let size = 0;
  for (const part of list.split(',')) {
    const [, first, last] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    if (first === undefined) return undefined;
    size += Number(last ?? first) - Number(first) + 1;
  }
  return size > 0 ? size : undefined;
}

/**
 * `vm.hwConfig.vcpus` is how many CPUs the container's processes have: of the host's, an id's own ones, so that small
 * machines do not all take the first. Undefined: they have all that their control group gives.
 */
function firstCpu({ vm }: Config, id: string): number | undefined {
  if (!vm?.hwConfig?.vcpus) return undefined;
  return Buffer.from(id).reduce((sum, byte) => (sum * 31 + byte) % 65_521, 0);
}

/** As many vCPUs as the container may use cores: what bounds it, or the host's. */
export function planVcpus(config: Config, cores: number): number {
  const asked = config.vm?.hwConfig?.vcpus;
  if (asked !== undefined && asked > 0) {
    if (asked > cores) {
      throw propertyError('vm.hwConfig.vcpus', `${asked} are more than the ${cores} of the host`);
    }
    return asked;
  }
  const cpu = config.linux?.resources?.cpu;
  const quota = Number(cpu?.quota ?? 0);
  const period = Number(cpu?.period ?? 0) || DEFAULT_PERIOD;
  const limits = [cores];
  if (quota > 0) limits.push(Math.ceil(quota / period));
  const size = cpusetSize(cpu?.cpus ?? '');
  if (size !== undefined) limits.push(size);
  return Math.max(1, Math.min(...limits));
}

/**
 * Bytes that the guest may grow to: a cap, not a reservation. The container's own limit is left to its
 * control group, which kills at it and tells that it did.
 */
function memoryLimit(config: Config): number | undefined {
  const limit = Number(config.vm?.hwConfig?.memory ?? 0);
  return limit > 0 && limit <= Number.MAX_SAFE_INTEGER ? limit : undefined;
}

/** `vm.kernel.path`: another unikernel image; the monitor refuses what is none of its own. */
function planKernel({ vm }: Config): string | undefined {
  const path = vm?.kernel.path;
  if (path === undefined || path === '') return undefined;
  if (!isAbsolute(path)) throw propertyError('vm.kernel.path', 'must be an absolute path');
  return path;
}

/** What the unikernel takes: `verbose` prints its boot line and its counters. */
const KERNEL_PARAMETERS = ['verbose'];

function planParameters({ vm }: Config): Set<string> {
  const parameters = vm?.kernel.parameters ?? [];
  for (const [i, parameter] of parameters.entries()) {
    if (!KERNEL_PARAMETERS.includes(parameter)) {
      const problem = `the unikernel has no parameter ${JSON.stringify(parameter)}`;
      throw propertyError(`vm.kernel.parameters[${i}]`, problem);
    }
  }
  return new Set(parameters);
}

export function planMachine(config: Config, options: PlanOptions): LaunchPlan['machine'] {
  const { kernel, host, missing, verbose } = options;
  const limit = memoryLimit(config);
  const first = firstCpu(config, options.id);
  return {
    kernel: planKernel(config) ?? kernel,
    vcpus: planVcpus(config, host.cores),
    ...(first === undefined ? {} : { firstCpu: first }),
    ...(limit === undefined ? {} : { memoryLimit: limit }),
    ...(missing === undefined ? {} : { missing }),
    verbose: (verbose ?? false) || planParameters(config).has('verbose'),
  };
}
