import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { messageOf, OciError } from '../errors.ts';
import { StateStore } from '../state/store.ts';
import { readStats, type Stats } from '../stats/index.ts';
import { oomKills } from '../stats/oom.ts';
import { statusOf } from './status.ts';
import { readTasks } from './tasks.ts';

export type ContainerEvent =
  | { type: 'stats'; id: string; data: Stats }
  /** A process of the container was killed since its memory was used up. */
  | { type: 'oom'; id: string };

export interface EventOptions {
  /** Only the statistics of this moment. */
  once: boolean;
  /** Between two statistics, in ms. */
  interval: number;
}

/** How often the kernel's counter is looked at, in ms. */
const OOM_INTERVAL = 100;

/** Tells of a container until it has ended. */
export async function events(
  ctx: Context,
  id: string,
  { once, interval }: EventOptions,
  tell: (event: ContainerEvent) => void,
): Promise<void> {
  if (interval <= 0) {
    throw new OciError('ERR_PINION_EVENTS', 'duration interval must be greater than 0');
  }
  const store = new StateStore(ctx.root);
  const { cgroups } = store.read(id);
  const hasEnded = () => {
    const record = store.find(id);
    return record === undefined || statusOf(store, record) === 'stopped';
  };
  if (hasEnded()) {
    throw new OciError('ERR_PINION_NOT_RUNNING', `container with id ${id} is not running`);
  }
  const tasks = () => readTasks(store.missing(id));
  const tellStats = () => tell({ type: 'stats', id, data: readStats(cgroups, tasks()) });
  if (once) return tellStats();

  let kills = oomKills(cgroups);
  let next = performance.now() + interval;
  for (;;) {
    await sleep(Math.max(1, Math.min(OOM_INTERVAL, next - performance.now())));
    // The last kill may be what has ended the container: looked at first, told before the end.
    const ended = hasEnded();
    const now = oomKills(cgroups);
    for (; kills < now; kills++) tell({ type: 'oom', id });
    if (ended) return;
    if (performance.now() < next) continue;
    next += interval;
    try {
      tellStats();
    } catch (error) {
      ctx.log.error(messageOf(error));
    }
  }
}
