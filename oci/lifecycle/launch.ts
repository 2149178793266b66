import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { OciError, prefixed } from '../errors.ts';
import { type HookOptions, hookState, runHooks } from '../hooks/run.ts';
import type { LaunchPlan } from '../launch-plan.ts';
import type { PausePoint } from '../monitor/event.ts';
import { MonitorSession } from '../monitor/session.ts';
import type { Hooks } from '../spec/index.ts';
import { identify, namespacePid, type ProcessIdentity } from '../state/process.ts';
import type { ContainerRecord } from '../state/record.ts';
import type { StateStore } from '../state/store.ts';
import { type ConsoleOptions, openConsole } from './console.ts';

/** A creation under way. */
export interface Launch {
  ctx: Context;
  store: StateStore;
  /** Gets the init as soon as it exists, here and on disk: who wants to end it finds it. */
  record: ContainerRecord;
  hooks: Hooks;
  console: ConsoleOptions;
}

export interface LaunchedInit extends ProcessIdentity {
  session: MonitorSession;
}

/** Spawns the monitor and sees it through to where the init waits for `start`. */
export async function launchInit(
  launch: Launch,
  plan: LaunchPlan,
  onInit: (init: ProcessIdentity) => void = () => {},
): Promise<LaunchedInit> {
  const { monitor, stdio, addon } = launch.ctx;
  const { preserveFds, foreground } = plan;
  const native = new Native(addon);
  const console = openConsole(launch.ctx, plan.process, launch.console);
  const options = { native, monitor, stdio, preserveFds, console: console?.fd };
  const session = MonitorSession.launch({ ...options, command: 'launch' }, plan);
  console?.close();
  try {
    const init = await untilReady(launch, session, onInit);
    // The init's new parent is the caller's reaper only when the launcher is gone.
    if (!foreground) await session.detached();
    session.close();
    return { ...init, session };
  } catch (error) {
    await session.abort();
    throw error;
  }
}

async function untilReady(
  launch: Launch,
  session: MonitorSession,
  onInit: (init: ProcessIdentity) => void,
): Promise<ProcessIdentity> {
  const { store, record } = launch;
  for (;;) {
    const event = await session.next();
    switch (event.event) {
      case 'pid':
        record.init = identify(event.pid) ?? null;
        if (record.init === null) break;
        store.write(record);
        onInit(record.init);
        break;
      case 'pause':
        await runHooksAt(event.at, launch, session);
        session.proceed();
        break;
      case 'ready':
        if (record.init === null) {
          throw new OciError('ERR_PINION_MONITOR', 'the monitor is ready without an init');
        }
        return record.init;
    }
  }
}

async function runHooksAt(at: PausePoint, launch: Launch, session: MonitorSession): Promise<void> {
  const { ctx, record, hooks } = launch;
  const pid = record.init?.pid ?? 0;
  const common = { env: ctx.env, signal: session.died };
  const outside: HookOptions = {
    ...common,
    cwd: ctx.cwd,
    state: hookState(record, 'creating', pid),
  };
  try {
    if (at === 'createRuntime') {
      // The runtime environment is there by then, in runtime.md's words ("State", "Lifecycle"); createRuntime hooks
      // are told what they are by runc.
      const created = { ...outside, state: hookState(record, 'created', pid) };
      await runHooks('prestart', hooks.prestart ?? [], created);
      await runHooks('createRuntime', hooks.createRuntime ?? [], outside);
    } else {
      await runHooks('createContainer', hooks.createContainer ?? [], {
        ...common,
        cwd: record.rootfs,
        state: hookState(record, 'creating', namespacePid(pid)),
        inside: { monitor: ctx.monitor, pid },
      });
    }
  } catch (error) {
    throw prefixed('unable to start container process: error during container init: ', error);
  }
}
