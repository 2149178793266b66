/** Control groups that engines leave. */
import { globSync, readdirSync, rmdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** linux/magic.h. */
const TMPFS_MAGIC = 0x01021994;

/**
 * Removes the empty groups of all hierarchies below `name`; and what podman makes in the folder of a hierarchy that
 * this kernel lacks, which are ordinary files.
 */
export function removeGroups(name: string): void {
  for (const group of globSync(`/sys/fs/cgroup/{.,*}/${name}`)) {
    if (statfsSync(dirname(group)).type === TMPFS_MAGIC) rmSync(group, { recursive: true });
    else removeEmpty(group);
  }
}

function removeEmpty(group: string): void {
  try {
    for (const entry of readdirSync(group, { withFileTypes: true })) {
      if (entry.isDirectory()) removeEmpty(join(group, entry.name));
    }
    rmdirSync(group);
  } catch {
    // Another engine's containers are in it, or it is gone.
  }
}
