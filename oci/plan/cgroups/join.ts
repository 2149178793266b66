/** The control groups that a process joins in a container that is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planError } from '../errors.ts';
import { readFile } from './files.ts';
import { type Hierarchy, parseHierarchies } from './hierarchies.ts';
import { isUnified } from './paths.ts';

/** Controller -> path below the container's group; `''` as the only one is every controller. */
type SubGroups = ReadonlyMap<string, string>;

/** `--cgroup [CONTROLLER[,CONTROLLER]:]PATH`, by runc's rules and in its words. */
export function parseSubGroups(args: readonly string[]): SubGroups {
  const paths = new Map<string, string>();
  for (const arg of args) {
    const parts = arg.split(':');
    const [first = '', path] = parts;
    if (parts.length > 2) throw planError(`invalid --cgroup argument: ${arg}`);
    if (path === undefined && args.length > 1) {
      throw planError(`invalid --cgroup argument: ${arg} (missing <controller>: prefix)`);
    }
    if (path === undefined) return new Map([['', first]]);
    for (const controller of first.split(',')) {
      if (paths.has(controller)) {
        throw planError(
          `invalid --cgroup argument(s): controller ${controller} specified multiple times`,
        );
      }
      // On hybrid hosts, version 2 has the empty name among the controllers of version 1.
      paths.set(controller === '' ? UNIFIED : controller, path);
    }
  }
  return paths;
}

const UNIFIED = 'unified';

/**
 * @param groups The container's directories, one in each hierarchy.
 * @param hierarchies The host's.
 */
export function groupsToJoin(
  groups: readonly string[],
  subGroups: SubGroups,
  hierarchies: readonly Hierarchy[],
  init: number,
): string[] {
  const everywhere = subGroups.get('');
  if (everywhere !== undefined) return groups.map((group) => below(group, everywhere));
  if (subGroups.size === 0) {
    return isUnified(hierarchies) ? groups.map((group) => leaf(group, init)) : [...groups];
  }
  const joined = [...groups];
  for (const [controller, path] of subGroups) {
    const hierarchy = hierarchies.find(({ version, controllers }) =>
      version === 2 ? controller === UNIFIED : controllers.includes(controller),
    );
    const index = groups.findIndex(
      (group) => hierarchy !== undefined && group.startsWith(`${hierarchy.mountpoint}/`),
    );
    const group = groups[index];
    if (group === undefined) {
      throw planError(
        `unable to create new parent process: unknown controller ${controller} in SubCgroupPaths`,
      );
    }
    joined[index] = below(group, path);
  }
  return joined;
}

function below(group: string, path: string): string {
  const directory = join(group, path);
  if (directory === group || directory.startsWith(`${group}/`)) return directory;
  throw planError(`unable to create new parent process: ${path} is not a sub cgroup path`);
}

/**
 * A group of version 2 that passes controllers on may have no processes: then the container has made
 * groups in it, and its init is in one of them.
 */
function leaf(group: string, init: number): string {
  if (readFile(join(group, 'cgroup.subtree_control')) === '') return group;
  const [own] = parseHierarchies(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    readFile(`/proc/${init}/cgroup`),
  );
  return own?.own ?? group;
}
