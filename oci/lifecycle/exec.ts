import { readFileSync } from 'node:fs';
import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { OciError, prefixed, runcError, systemError } from '../errors.ts';
import type { JoinPlan } from '../join-plan.ts';
import { exitCode, MonitorSession } from '../monitor/session.ts';
import { groupsToJoin, parseSubGroups } from '../plan/cgroups/join.ts';
import { readHost } from '../plan/index.ts';
import { computeJoinPlan, planJoiningProcess } from '../plan/join.ts';
import type { Warn } from '../plan/process.ts';
import { checkProcess, parseProcess } from '../spec/index.ts';
import { identify, type ProcessIdentity } from '../state/process.ts';
import type { ContainerRecord, PlanProcess } from '../state/record.ts';
import { StateStore } from '../state/store.ts';
import { checkConsole, openConsole } from './console.ts';
import { changed, type ProcessChanges } from './exec-process.ts';
import { checkPreservedFds } from './fds.ts';
import { writePidFile } from './pid-file.ts';
import { SIGKILL, signalProcess } from './process.ts';
import { SignalRelay } from './signal-relay.ts';
import { statusOf } from './status.ts';

export interface ExecOptions {
  id: string;
  /** A file with an OCI process (absolute), or what is changed of the container's own process. */
  process: string | ProcessChanges;
  /** Return when the program runs. */
  detach: boolean;
  /** Absolute. */
  pidFile?: string | undefined;
  /** Absolute. */
  consoleSocket?: string | undefined;
  /** How many descriptors from 3 on the process inherits. */
  preserveFds: number;
  /** Groups below the container's, `[CONTROLLER[,CONTROLLER]:]PATH` each. */
  cgroups: readonly string[];
  /** In a paused container too: it waits for the container to be resumed. */
  ignorePaused: boolean;
}

/** runc's status of an exec that fails. */
const FAILED = 255;

/**
 * Runs one more program in a container. In the foreground it waits for the program's end and passes
 * signals on.
 * @returns The exit status: the program's, 128 + N when signal N killed it; 0 when detached.
 */
export async function exec(ctx: Context, options: ExecOptions): Promise<number> {
  try {
    const record = find(ctx, options);
    const plan = planOf(ctx, record, options);
    return options.detach
      ? await execDetached(ctx, plan, options)
      : await execForeground(ctx, plan, options);
  } catch (error) {
    throw prefixed('exec failed: ', error, FAILED);
  }
}

function find(ctx: Context, { id, ignorePaused }: ExecOptions): ContainerRecord {
  const store = new StateStore(ctx.root);
  const record = store.read(id);
  const status = statusOf(store, record);
  if (status === 'stopped') throw runcError('ERR_PINION_EXEC_STOPPED');
  if (status === 'paused' && !ignorePaused) throw runcError('ERR_PINION_EXEC_PAUSED');
  if (status === 'creating') {
    throw new OciError('ERR_PINION_BUSY', `container ${id} is being created`);
  }
  return record;
}

function planOf(ctx: Context, record: ContainerRecord, options: ExecOptions): JoinPlan {
  const process = processOf(record, options, (message) => ctx.log.warning(message));
  const subGroups = parseSubGroups(options.cgroups);
  checkConsole(process.terminal !== undefined, options);
  checkPreservedFds(3, options.preserveFds);
  const { cgroups, init } = record;
  return computeJoinPlan(record, {
    process,
    cgroups: groupsToJoin(cgroups, subGroups, readHost().cgroups, init?.pid ?? 0),
    foreground: !options.detach,
    preserveFds: options.preserveFds,
    kernel: ctx.kernel,
    missing: new StateStore(ctx.root).missing(record.id),
    verbose: ctx.debug,
  });
}

function processOf(record: ContainerRecord, { process }: ExecOptions, warn: Warn): PlanProcess {
  if (typeof process === 'string') {
    return planJoiningProcess(parseProcess('process', read(process)), record.process, warn);
  }
  if (process.args.length === 0) throw runcError('ERR_PINION_NO_ARGS');
  const plan = changed(record.process, process, warn);
  checkProcess(plan);
  return plan;
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw systemError(`open ${file}`, error);
  }
}

async function execDetached(ctx: Context, plan: JoinPlan, options: ExecOptions): Promise<number> {
  const { session, process } = await launch(ctx, plan, options);
  await session.detached();
  session.close();
  tellPid(ctx, process, options);
  return 0;
}

async function execForeground(ctx: Context, plan: JoinPlan, options: ExecOptions): Promise<number> {
  const relay = new SignalRelay(ctx);
  try {
    const { session, process } = await launch(ctx, plan, options, (made) => relay.to(made));
    relay.resizes(session);
    session.close();
    tellPid(ctx, process, options);
    return exitCode(await session.exited);
  } finally {
    relay.stop();
  }
}

interface Joined {
  session: MonitorSession;
  process: ProcessIdentity;
}

/** Spawns the monitor and sees it through to where the program can run. */
async function launch(
  ctx: Context,
  plan: JoinPlan,
  options: ExecOptions,
  onMade: (process: ProcessIdentity) => void = () => {},
): Promise<Joined> {
  const { addon, monitor, stdio } = ctx;
  const console = openConsole(ctx, plan.process, options);
  const session = MonitorSession.launch(
    {
      native: new Native(addon),
      monitor,
      command: 'join',
      stdio,
      preserveFds: plan.preserveFds,
      console: console?.fd,
    },
    plan,
  );
  console?.close();
  try {
    let process: ProcessIdentity | undefined;
    for (;;) {
      const event = await session.next();
      if (event.event === 'pid') {
        // A program may end at once: then only its pid is left to tell.
        process = identify(event.pid) ?? { pid: event.pid, startTime: 0 };
        onMade(process);
      } else if (event.event === 'ready' && process !== undefined) {
        return { session, process };
      } else {
        throw new OciError('ERR_PINION_MONITOR', `unexpected ${event.event} of the monitor`);
      }
    }
  } catch (error) {
    await session.abort();
    throw error;
  }
}

/** Who asked for a pid-file and does not get one could not find the process again: it is ended. */
function tellPid(ctx: Context, process: ProcessIdentity, { pidFile }: ExecOptions): void {
  if (pidFile === undefined) return;
  try {
    writePidFile(pidFile, process.pid);
  } catch (error) {
    signalProcess(new Native(ctx.addon), process, SIGKILL);
    throw error;
  }
}
