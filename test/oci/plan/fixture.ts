import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { OciError } from '../../../oci/errors.ts';
import type { LaunchPlan } from '../../../oci/launch-plan.ts';
import type { Hierarchy } from '../../../oci/plan/cgroups/hierarchies.ts';
import { computePlan, type PlanOptions } from '../../../oci/plan/index.ts';
import { type Config, parseConfig } from '../../../oci/spec/index.ts';

/** A directory that is gone after the test. */
export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pinion-plan-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** v1 hierarchies as a common host has them, below a directory of the test's. */
export function hierarchiesV1(root: string, controllers: string[]): Hierarchy[] {
  return controllers.map((controller) => {
    const mountpoint = join(root, controller);
    mkdirSync(mountpoint, { recursive: true });
    return { version: 1, controllers: [controller], mountpoint, own: mountpoint };
  });
}

export const V1_CONTROLLERS = [
  'cpu',
  'cpuset',
  'memory',
  'devices',
  'pids',
  'blkio',
  'hugetlb',
  'net_cls',
  'net_prio',
  'rdma',
];

/** Bundle, host and options of a plan. */
export function planOptions(options: Partial<PlanOptions> = {}): PlanOptions {
  const bundle = temporary();
  mkdirSync(join(bundle, 'rootfs'));
  return {
    id: 'c1',
    bundle,
    execFifo: '/run/pinion/c1/exec.fifo',
    foreground: false,
    preserveFds: 0,
    noPivot: false,
    kernel: '/kernel',
    host: { cgroups: hierarchiesV1(join(bundle, 'cgroup'), V1_CONTROLLERS), cores: 4 },
    ...options,
  };
}

type Sections = Omit<Partial<Config>, 'process'> & { process?: object };

/** A config that asks for as little as possible, and what a test adds. */
export function config({ process, linux, ...sections }: Sections = {}): Config {
  const document = {
    ociVersion: '1.3.0',
    root: { path: 'rootfs' },
    process: { cwd: '/', args: ['true'], ...process },
    linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }], ...linux },
    ...sections,
  };
  const marked = (_key: string, value: unknown) =>
    typeof value === 'bigint' ? `bigint:${value}` : value;
  const text = JSON.stringify(document, marked).replace(/"bigint:(-?\d+)"/g, '$1');
  return parseConfig(text);
}

export function plan(sections: Sections = {}, options: Partial<PlanOptions> = {}): LaunchPlan {
  return computePlan(config(sections), planOptions(options));
}

/** The one-line error of a plan that is refused. */
export function refusal(sections: Sections, options: Partial<PlanOptions> = {}): string {
  try {
    plan(sections, options);
  } catch (error) {
    if (error instanceof OciError && !error.message.includes('\n')) return error.message;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(sections)}`);
}

/** A cgroup v2 mount with some controllers, below a directory of the test's. */
export function hierarchyV2(root: string, own = '/user'): Hierarchy {
  const mountpoint = join(root, 'v2');
  mkdirSync(join(mountpoint, own), { recursive: true });
  writeFileSync(join(mountpoint, 'cgroup.controllers'), 'cpuset cpu io memory hugetlb pids rdma\n');
  return {
    version: 2,
    controllers: [],
    mountpoint,
    own: own === '/' ? mountpoint : join(mountpoint, own),
  };
}
