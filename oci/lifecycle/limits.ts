/** New limits of groups that are in use: all of them, or none. */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { systemError } from '../errors.ts';
import type { CgroupWrite } from '../launch-plan.ts';

/** Writes back what was there, the last first. */
export type SetBack = () => void;

/**
 * Carries all out. If one fails, what was there before the first is written back.
 *
 * A shorter period is refused while the old quota would be more of it than the group above has: it is
 * tried again when there is a new quota.
 * @throws OciError of the write that failed.
 */
export function setLimits(writes: readonly CgroupWrite[]): SetBack {
  const done: CgroupWrite[] = [];
  const setBack = () => {
    for (const write of done.splice(0).reverse()) carryOut(write);
  };
  const set = (write: CgroupWrite) => {
    const before = present(write);
    carryOut(write);
    if (before !== undefined) done.push({ ...write, value: before, optional: true });
  };
  const quota = writes.findIndex(({ path }) => path.endsWith('/cpu.cfs_quota_us'));
  const later: CgroupWrite[] = [];
  try {
    for (const [index, write] of writes.entries()) {
      const isPeriod = write.path.endsWith('/cpu.cfs_period_us') && quota > index;
      try {
        set(write);
      } catch (error) {
        if (!isPeriod) throw error;
        later.push(write);
      }
    }
    later.forEach(set);
  } catch (error) {
    setBack();
    throw error;
  }
  return setBack;
}

function carryOut({ path, value, optional }: CgroupWrite): void {
  try {
    writeFileSync(path, value, { flag: 'r+' });
  } catch (error) {
    if (!optional)
      throw systemError(`failed to write ${JSON.stringify(value)}: write ${path}`, error);
  }
}

/** Files with a line for each interface or RDMA device. */
const KEYED = ['net_prio.ifpriomap', 'rdma.max'];

/** What to write in place of `value` for the limit to be as it is now; undefined if nothing says so. */
function present({ path, value }: CgroupWrite): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const file = basename(path);
  const lines = text.split('\n');
  const [key = ''] = value.split(' ');
  const own = lines.find((line) => line.startsWith(`${key} `));
  if (/^\d+:\d+$/.test(key)) return own ?? `${key} ${unlimited(file)}`;
  if (KEYED.includes(file)) return own;
  if (file === 'memory.oom_control') return /^oom_kill_disable (\d)/.exec(text)?.[1];
  return lines.find((line) => line.startsWith('default ')) ?? text;
}

/** What takes a device's line away. */
function unlimited(file: string): string {
  if (file === 'io.max') return 'rbps=max wbps=max riops=max wiops=max';
  return file.includes('weight') ? 'default' : '0';
}
