/** v1 cpusets start empty, and a group with an empty one admits no process (cpuset(7)). */
import { join } from 'node:path';
import type { CgroupWrite } from '../../launch-plan.ts';
import { readFile } from './files.ts';

/**
 * Fills the empty cpusets on the way to a group with their parents' values, as runc does.
 * @param directories - Below the mount point, parents first.
 */
export function inheritedCpusets(mountpoint: string, directories: string[]): CgroupWrite[] {
  return ['cpuset.cpus', 'cpuset.mems'].flatMap((file) => {
    let inherited = readFile(join(mountpoint, file));
    return directories.flatMap((directory) => {
      const path = join(directory, file);
      const own = readFile(path);
      if (own !== '') {
        inherited = own;
        return [];
      }
      return inherited === '' ? [] : [{ path, value: inherited, optional: true }];
    });
  });
}
