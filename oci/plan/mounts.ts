/** config.md#mounts and the mount of the root file system. */

import { lstatSync, realpathSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { LaunchPlan, PlanIdMap, PlanMount } from '../launch-plan.ts';
import type { Config } from '../spec/index.ts';
import { MS } from './constants.ts';
import { looking, planError, propertyError } from './errors.ts';
import { parseMountOptions } from './mount-options.ts';

type Mappings = Pick<LaunchPlan, 'uidMappings' | 'gidMappings'>;
type SpecMount = NonNullable<Config['mounts']>[number];

/**
 * Which ids an idmapped mount has (config.md#mounts), by runc's rules.
 * @param own - The mappings of the container's new user namespace: of an `idmap` without any.
 */
function planIdMap(
  { uidMappings = [], gidMappings = [] }: SpecMount,
  option: 'one' | 'all' | undefined,
  path: string,
  own: Mappings,
): PlanIdMap | undefined {
  const isMapped = uidMappings.length > 0 || gidMappings.length > 0;
  if (!isMapped && option === undefined) return undefined;
  const recursive = option === 'all';
  const mappings = isMapped ? { uidMappings, gidMappings } : own;
  if (mappings.uidMappings.length > 0 && mappings.gidMappings.length > 0) {
    return { ...mappings, recursive };
  }
  throw propertyError(
    isMapped ? path : `${path}.options`,
    isMapped
      ? 'both uidMappings and gidMappings must be specified'
      : 'idmap needs uidMappings and gidMappings, or a new user namespace that has them',
  );
}

function planMount(mount: SpecMount, path: string, bundle: string, own: Mappings): PlanMount {
  if (mount.destination === '') throw propertyError(`${path}.destination`, 'must not be empty');
  const { idMap: option, ...options } = parseMountOptions(mount.options ?? []);
  const idMap = planIdMap(mount, option, path, own);
  const bind = mount.type === 'bind' || (options.flags & MS.BIND) !== 0;
  if (!bind && (mount.type ?? '') === '') throw propertyError(`${path}.type`, 'missing');
  if (!bind && idMap) throw propertyError(path, 'only a bind mount can be idmapped');
  const source = mount.source ?? '';
  if (bind && source === '') throw propertyError(`${path}.source`, 'missing');
  return {
    ...options,
    ...(idMap && { idMap }),
    // A relative destination starts at the root (so did specification 1.0, and runc warns only).
    destination: resolve('/', mount.destination),
    type: bind ? 'bind' : (mount.type ?? ''),
    source: bind && !isAbsolute(source) ? join(bundle, source) : source,
    flags: bind ? options.flags | MS.BIND : options.flags,
  };
}

export function planMounts(config: Config, bundle: string, own: Mappings): PlanMount[] {
  return (config.mounts ?? []).map((mount, i) => planMount(mount, `mounts[${i}]`, bundle, own));
}

const PROPAGATION: Readonly<Record<string, number>> = {
  private: MS.PRIVATE,
  shared: MS.SHARED,
  slave: MS.SLAVE,
  unbindable: MS.UNBINDABLE,
};

/** `linux.rootfsPropagation` with or without its r: all mounts below follow the root's. */
function rootPropagation(name: string | undefined): number {
  const kind = PROPAGATION[(name ?? 'slave').replace(/^r/, '')] ?? MS.SLAVE;
  return kind | MS.REC;
}

/** The root file system must be a directory that is no symbolic link (runc: validate.rootfs). */
function checkRoot(path: string): void {
  const context = `invalid rootfs: stat ${path}`;
  if (looking(context, () => realpathSync(path)) !== path) {
    throw planError('invalid rootfs: not an absolute path, or a symlink');
  }
  if (!looking(context, () => lstatSync(path)).isDirectory()) {
    throw planError(`invalid rootfs: ${path}: not a directory`);
  }
}

export function planRootfs(config: Config, bundle: string, noPivot: boolean): LaunchPlan['rootfs'] {
  if (config.root === undefined) throw planError('root must be specified');
  const path = resolve(bundle, config.root.path);
  checkRoot(path);
  const propagation = rootPropagation(config.linux?.rootfsPropagation);
  if (noPivot && (propagation & MS.PRIVATE) !== 0 && config.linux?.rootfsPropagation) {
    throw planError('rootfsPropagation of [r]private is not safe without pivot_root');
  }
  return { path, readonly: config.root.readonly ?? false, propagation, noPivot };
}

/** `linux.maskedPaths` and `linux.readonlyPaths`. */
export function planPaths(paths: readonly string[] | undefined, path: string): string[] {
  return (paths ?? []).map((name, i) => {
    if (!isAbsolute(name)) throw propertyError(`${path}[${i}]`, 'must be an absolute path');
    return resolve(name);
  });
}
