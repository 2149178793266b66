/** config-linux.md#control-groups: directories, files to write and directories to join. */
import type { PlanCgroup } from '../../launch-plan.ts';
import type { Config } from '../../spec/index.ts';
import type { PlanOptions } from '../options.ts';
import { ancestors, groupDirectories } from './paths.ts';

export function planCgroup(config: Config, options: PlanOptions): PlanCgroup | undefined {
  const groups = groupDirectories(config.linux?.cgroupsPath, options);
  if (groups.length === 0) return undefined;
  return {
    create: groups.flatMap(({ hierarchy, directory }) => [
      ...ancestors(directory, hierarchy.mountpoint),
      directory,
    ]),
    writes: [],
    join: groups.map(({ directory }) => directory),
  };
}
