/** What of the host a plan depends on. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Hierarchy } from './cgroups/hierarchies.ts';
import { parseHierarchies } from './cgroups/hierarchies.ts';

export interface HostFacts {
  /** The mounted cgroup hierarchies, with the runtime's own group in each. */
  cgroups: Hierarchy[];
  /** How many CPUs the runtime may use. */
  cores: number;
}

export function readHost(): HostFacts {
  return {
    cgroups: parseHierarchies(
      readFileSync('/proc/self/mountinfo', 'utf8'),
      readFileSync('/proc/self/cgroup', 'utf8'),
    ),
    cores: availableParallelism(),
  };
}
