import { GroupFiles } from './read.ts';

/** How many processes the kernel has killed for want of memory. */
export function oomKills(directories: readonly string[]): number {
  const files = new GroupFiles(directories);
  const { oom_kill } = files.table(
    files.has('memory.oom_control') ? 'memory.oom_control' : 'memory.events',
  );
  return oom_kill ?? 0;
}
