import { readFileSync } from 'node:fs';
import type { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { messageOf, runcError } from '../errors.ts';
import { hookState, runHooks } from '../hooks/run.ts';
import type { ContainerRecord } from '../state/record.ts';
import type { StateStore } from '../state/store.ts';
import { processesIn, removeCgroups, thaw } from './cgroup.ts';
import { KILL_TIMEOUT, killAll, SIGKILL, signalProcess, waitForEnd } from './process.ts';

/**
 * Kills what is left of a container and removes its control groups and its state directory. Each
 * step may already have been done. The caller holds the directory's lock.
 */
export async function destroy(
  ctx: Context,
  native: Native,
  store: StateStore,
  record: ContainerRecord,
): Promise<void> {
  const { id, init, cgroups, unit } = record;
  const killed = init !== null && signalProcess(native, init, SIGKILL);
  // In cgroup version 1, frozen processes do not even die.
  thaw(cgroups);
  if (killed && !(await waitForEnd(init, KILL_TIMEOUT))) throw runcError('ERR_PINION_INIT_ALIVE');
  if (!(await killAll(native, () => processesIn(cgroups), KILL_TIMEOUT))) {
    throw runcError('ERR_PINION_INIT_ALIVE');
  }
  if (unit !== undefined) await (await import('../systemd/container-unit.ts')).stopUnit(ctx, unit);
  await removeCgroups(cgroups);
  removeDirectory(native, store, id);
}

/** Removes a state directory, with or without a record in it, but nothing mounted below it. */
export function removeDirectory(native: Native, store: StateStore, id: string): void {
  const prefix = `${store.directory(id)}/`;
  for (const mountPoint of mountPoints().reverse()) {
    if (mountPoint.startsWith(prefix)) native.detachMount(mountPoint);
  }
  store.remove(id);
}

/** The hooks after a container's end: what they do wrong is a warning (runtime-spec, lifecycle). */
export async function runPoststopHooks(ctx: Context, record: ContainerRecord): Promise<void> {
  const options = { env: ctx.env, cwd: ctx.cwd, state: hookState(record, 'stopped', 0) };
  for (const [index, hook] of record.hooks.poststop.entries()) {
    try {
      await runHooks('poststop', [hook], options, index);
    } catch (error) {
      ctx.log.warning(messageOf(error));
    }
  }
}

/** In the order in which they were mounted (proc_pid_mountinfo(5), field 5). */
function mountPoints(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[4] ?? [])
    .map((path) =>
      path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
    );
}
