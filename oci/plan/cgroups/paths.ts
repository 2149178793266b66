/** Where a container's groups lie: config-linux.md#cgroups-path, by runc's rules. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { unitOf } from '../../systemd/unit.ts';
import { propertyError } from '../errors.ts';
import type { PlanOptions } from '../options.ts';
import type { Hierarchy } from './hierarchies.ts';

/** A group of the container. */
export interface Group {
  hierarchy: Hierarchy;
  /** Absolute. */
  directory: string;
}

/** Levels of directories that a path may have: each is made in every hierarchy. */
const MAX_DEPTH = 64;

/** The directories between a mount point and a directory, both exclusive, parents first. */
export function ancestors(directory: string, mountpoint: string): string[] {
  const parent = dirname(directory);
  return parent === mountpoint || parent === '/' ? [] : [...ancestors(parent, mountpoint), parent];
}

/** Whether the host has cgroup v2 alone. Hybrid hosts follow the rules of v1. */
export function isUnified(hierarchies: readonly Hierarchy[]): boolean {
  return hierarchies.every(({ version }) => version === 2);
}

/** runc's CleanPath: `..` does not lead out of where the path starts. */
function cleanPath(path: string): string {
  const inside = resolve('/', path);
  return isAbsolute(path) ? inside : relative('/', inside);
}

/**
 * - Absolute: below the mount point of each hierarchy.
 * - Relative: below the runtime's own group, in v2 below its parent (a group with processes may
 *   not have children with controllers).
 * - Absent or empty: the id, as a relative path.
 * The v2 hierarchy of a hybrid host is joined as well, below its mount point.
 *
 * Without root, hierarchies in which nothing is delegated to the user are left out, unless a path asks
 * for them.
 *
 * The systemd driver's path is a unit's: of systemd's hierarchies and of the others.
 */
export function groupDirectories(cgroupsPath: string | undefined, options: PlanOptions): Group[] {
  const property = 'linux.cgroupsPath';
  const asked = cgroupsPath ?? '';
  if (options.systemd !== undefined) {
    const { root, user } = options.systemd;
    const unit = join(root, unitOf(asked, options.id, user).path);
    return options.host.cgroups.map((hierarchy) => ({
      hierarchy,
      directory: join(hierarchy.mountpoint, unit),
    }));
  }
  const path = cleanPath(asked === '' ? options.id : asked);
  if (path === '' || path === '/') {
    throw propertyError(property, `${asked} is not a group of the container's own`);
  }
  if (path.split('/').length > MAX_DEPTH) {
    throw propertyError(property, `more than ${MAX_DEPTH} levels deep`);
  }
  const hierarchies = options.host.cgroups;
  const unified = isUnified(hierarchies);
  const groups = hierarchies.map((hierarchy) => {
    const { mountpoint, own, version } = hierarchy;
    if (isAbsolute(path)) return { hierarchy, directory: join(mountpoint, path) };
    if (version === 1) return { hierarchy, directory: join(own, path) };
    const parent = unified && own !== mountpoint ? dirname(own) : mountpoint;
    return { hierarchy, directory: join(parent, path) };
  });
  const optional = options.rootless === true && asked === '';
  return optional ? groups.filter(({ directory }) => isDelegated(directory)) : groups;
}

/** Whether the directory can be made, or used, by this process. */
function isDelegated(directory: string): boolean {
  if (!existsSync(directory)) return isDelegated(dirname(directory));
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
