/** config-linux.md#control-groups: directories, files to write and directories to join. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupWrite, PlanCgroup } from '../../launch-plan.ts';
import type { Config, Resources } from '../../spec/index.ts';
import { planError, propertyError } from '../errors.ts';
import type { PlanOptions } from '../options.ts';
import { inheritedCpusets } from './cpuset.ts';
import { deviceWrites, filterRules, planDeviceRules } from './devices.ts';
import { readFile } from './files.ts';
import { LIMITS, type Limit } from './limits.ts';
import { ancestors, type Group, groupDirectories, isUnified } from './paths.ts';
import { hostTasksText } from './tasks.ts';

/** v2 calls two controllers by other names; the device filter and the freezer are no controllers. */
const V2_NAMES: Readonly<Record<string, string>> = { blkio: 'io' };

const words = (text: string): string[] => text.split(/\s+/).filter(Boolean);

const below = ({ hierarchy, directory }: Group): string[] => [
  ...ancestors(directory, hierarchy.mountpoint),
  directory,
];

/** A group that someone else is using, or that would never run, is not taken over. */
function checkFree({ directory }: Group): void {
  if (!existsSync(directory)) return;
  const processes = words(readFile(join(directory, 'cgroup.procs'))).length;
  if (processes > 0) {
    throw planError(`container's cgroup is not empty: ${processes} process(es) found`);
  }
  const frozen = readFile(join(directory, 'freezer.state')) === 'FROZEN';
  if (frozen || readFile(join(directory, 'cgroup.freeze')) === '1') {
    throw planError("container's cgroup unexpectedly frozen");
  }
}

export function limitWrites(
  limit: Limit,
  resources: Resources,
  groups: Group[],
  { unified, rootless = false }: { unified: boolean; rootless?: boolean },
): CgroupWrite[] {
  const { v1, v2, property } = limit;
  const path = `linux.resources.${property}`;
  const controller = unified ? (V2_NAMES[limit.controller] ?? limit.controller) : limit.controller;
  const group = groups.find(({ hierarchy }) =>
    unified
      ? words(readFile(join(hierarchy.mountpoint, 'cgroup.controllers'))).includes(controller)
      : hierarchy.controllers.includes(controller),
  );
  const asked = (unified ? v2 : v1) ?? (unified ? v1 : v2);
  const writes = asked?.(resources, { directory: group?.directory ?? '/' }) ?? [];
  if (writes.length === 0) return [];
  if ((unified ? v2 : v1) === undefined) {
    throw propertyError(path, `cgroup ${unified ? 'v2' : 'v1'} has no such limit`);
  }
  if (group === undefined && rootless) {
    throw planError(`cannot set ${controller} limit: container could not join or create cgroup`);
  }
  if (group === undefined) throw propertyError(path, `this host has no ${controller} controller`);
  return writes.map(({ file, value, optional }) => ({
    path: join(group.directory, file),
    value,
    optional: optional ?? false,
  }));
}

/** `linux.resources.unified`: files of v2, whatever they are. */
export function unifiedWrites(resources: Resources, group: Group | undefined): CgroupWrite[] {
  return Object.entries(resources.unified ?? {}).map(([file, value]) => {
    if (group === undefined) {
      throw planError('invalid configuration: cannot use unified on cgroup v1');
    }
    if (file.includes('/')) {
      throw planError(`unified resource "${file}" must be a file name (no slashes)`);
    }
    if (!/^[a-z][\w.]*$/i.test(file) || file === 'cgroup.procs' || file === 'cgroup.threads') {
      throw propertyError('linux.resources.unified', `${JSON.stringify(file)} is not a resource`);
    }
    const text = file === 'pids.max' ? hostTasksText(value) : value;
    return { path: join(group.directory, file), value: text, optional: false };
  });
}

/** v2: every controller is switched on for the children of every group on the way. */
function enableControllers({ hierarchy, directory }: Group): CgroupWrite[] {
  const { mountpoint } = hierarchy;
  const controllers = words(readFile(join(mountpoint, 'cgroup.controllers')));
  return [mountpoint, ...ancestors(directory, mountpoint)].flatMap((parent) =>
    controllers.map((controller) => ({
      path: join(parent, 'cgroup.subtree_control'),
      value: `+${controller}`,
      optional: true,
    })),
  );
}

export function planCgroup(config: Config, options: PlanOptions): PlanCgroup | undefined {
  const groups = groupDirectories(config.linux?.cgroupsPath, options);
  const resources = config.linux?.resources ?? {};
  const unified = isUnified(options.host.cgroups);
  const main = groups.find(({ hierarchy }) => unified || hierarchy.controllers.includes('devices'));
  // Without the devices controller a container could use every device (so says runc, too).
  // One without root can use those of its user anyway, and may not make rules.
  const { rootless = false } = options;
  if (main === undefined && !rootless) throw planError('no devices cgroup is mounted');
  for (const group of groups) checkFree(group);

  const devices = planDeviceRules(resources);
  const cpuset = groups.find(({ hierarchy }) => hierarchy.controllers.includes('cpuset'));
  const writes = [
    ...(unified && main ? enableControllers(main) : []),
    ...(cpuset ? inheritedCpusets(cpuset.hierarchy.mountpoint, below(cpuset)) : []),
    ...LIMITS.flatMap((limit) => limitWrites(limit, resources, groups, { unified, rootless })),
    ...unifiedWrites(resources, unified ? main : undefined),
  ];
  const deviceFiles = (main ? deviceWrites(devices) : []).map(({ file, value }) => ({
    path: join(main?.directory ?? '', file),
    value,
    optional: rootless,
  }));
  return {
    create: [...new Set(groups.flatMap(below))],
    writes: unified ? writes : [...writes, ...deviceFiles],
    join: groups.map(({ directory }) => directory),
    ...(unified && main && !rootless
      ? { deviceFilter: { directory: main.directory, rules: filterRules(devices) } }
      : {}),
  };
}
