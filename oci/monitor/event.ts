import { OciError } from '../errors.ts';

/** Where the monitor can be told to stop; `Pause` in vmm/src/plan.rs. */
export type PausePoint = 'createRuntime' | 'createContainer';

/** What the monitor tells about a launch, in this order. */
export type MonitorEvent =
  /** The container's init exists: its process id on the host. */
  | { event: 'pid'; pid: number }
  /** It waits for a word, so that hooks can run. */
  | { event: 'pause'; at: PausePoint }
  /** All is set up; the init waits on the exec FIFO. */
  | { event: 'ready' }
  /** The launch failed, one line. */
  | { event: 'error'; message: string };

/** Takes only what the monitor may say. */
export function parseEvent(value: unknown): MonitorEvent {
  if (typeof value === 'object' && value !== null && 'event' in value) {
    const { event } = value;
    if (event === 'ready') return { event };
    if (event === 'pid' && 'pid' in value && isPid(value.pid)) return { event, pid: value.pid };
    if (event === 'pause' && 'at' in value && isPausePoint(value.at)) {
      return { event, at: value.at };
    }
    if (event === 'error' && 'message' in value && typeof value.message === 'string') {
      return { event, message: value.message };
    }
  }
  throw new OciError(
    'ERR_PINION_MONITOR',
    `unexpected message from the monitor: ${JSON.stringify(value)}`,
  );
}

function isPid(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isPausePoint(value: unknown): value is PausePoint {
  return value === 'createRuntime' || value === 'createContainer';
}
