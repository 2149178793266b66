/** Whether this machine can run containers, and what would make it better: `pinion doctor`. */
import type { Context } from '../context.ts';
import { checkBoot } from './boot.ts';
import { checkEngines } from './engines.ts';
import { checkKvm } from './kvm.ts';
import { checkLinux } from './linux.ts';

export interface Finding {
  /** `good`: works. `note`: works with a limit that is named. `bad`: containers cannot run. */
  state: 'good' | 'note' | 'bad';
  /** What was looked at. */
  subject: string;
  /** What was found, in a line; for `note` and `bad` also what to do. */
  text: string;
}

/** All that was looked at, in the order in which a person would mend it. */
export async function examine(context: Context): Promise<Finding[]> {
  return [...checkKvm(), checkBoot(context), ...checkLinux(), ...(await checkEngines(context))];
}
