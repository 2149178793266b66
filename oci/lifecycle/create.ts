import { chownSync, writeFileSync } from 'node:fs';
import { Native } from '../../native/index.ts';
import type { Context } from '../context.ts';
import { messageOf, prefixed, runcError, systemError } from '../errors.ts';
import type { LaunchPlan } from '../launch-plan.ts';
import type { MonitorSession } from '../monitor/session.ts';
import { taskLimit } from '../plan/cgroups/tasks.ts';
import { cgroupPaths, computePlan, type PlanOptions, readHost } from '../plan/index.ts';
import { type Config, OCI_VERSION } from '../spec/index.ts';
import { DirectoryLock } from '../state/lock.ts';
import { identify, type ProcessIdentity } from '../state/process.ts';
import type { ContainerRecord, MachineSize, UnitRecord } from '../state/record.ts';
import { StateStore } from '../state/store.ts';
import { oomKills } from '../stats/oom.ts';
import type { ContainerUnit } from '../systemd/container-unit.ts';
import { readBundle } from './bundle.ts';
import { checkConsole } from './console.ts';
import { destroy, runPoststopHooks } from './destroy.ts';
import { checkPreservedFds, listenFds } from './fds.ts';
import { type Launch, launchInit } from './launch.ts';
import { MISSING_BYTES } from './missing.ts';
import { makeNotifyDirectory, notifyMount, notifyVariable } from './notify-socket.ts';
import { writePidFile } from './pid-file.ts';
import { writeTaskLimit } from './tasks.ts';

export interface CreateOptions {
  id: string;
  /** Absolute. */
  bundle: string;
  /** Absolute. */
  pidFile?: string | undefined;
  /** Absolute. */
  consoleSocket?: string | undefined;
  noPivot: boolean;
  /** Means nothing to a guest, which has no keyrings of the host. */
  noNewKeyring: boolean;
  /** How many descriptors from 3 (or after those of LISTEN_FDS) the container inherits. */
  preserveFds: number;
}

export interface CreateMode {
  /** The launcher stays and ends with the container's status. */
  foreground: boolean;
  /** `run --detach` and `create`: nobody is there to serve a terminal. */
  detach: boolean;
  /** Told of the init as soon as it exists. */
  onInit?: (init: ProcessIdentity) => void;
}

/** How long a delete may look at a new state directory, in ms. */
const CLAIM_TIMEOUT = 1000;

/** Creates a container, its program waiting for `start` (runtime-spec, runtime.md "Create"). */
export async function create(ctx: Context, options: CreateOptions): Promise<void> {
  try {
    await createContainer(ctx, options, { foreground: false, detach: true });
  } catch (error) {
    throw prefixed('runc create failed: ', error);
  }
}

/** As runc, which changes to the bundle: there its hooks run. */
export function inBundle(ctx: Context, { bundle }: CreateOptions): Context {
  return { ...ctx, cwd: bundle };
}

export interface Created {
  record: ContainerRecord;
  session: MonitorSession;
}

/** All or nothing: when it throws, everything that it made is gone. */
export async function createContainer(
  caller: Context,
  options: CreateOptions,
  mode: CreateMode,
): Promise<Created> {
  const ctx = inBundle(caller, options);
  const store = new StateStore(ctx.root);
  const native = new Native(ctx.addon);
  const config = readBundle(options.bundle, ctx.log);
  // To be sure comes with the claim; but now the plan would find a container's cgroup in use.
  if (store.has(options.id)) throw runcError('ERR_PINION_EXISTS');
  const unit = ctx.systemdCgroup ? await unitFor(ctx, config, options.id) : undefined;
  const plan = planOf(ctx, config, options, mode, store, unit?.manager);
  const console = { detach: mode.detach, consoleSocket: options.consoleSocket };
  checkConsole(plan.process.terminal !== undefined, console);
  const record = newRecord(ctx, config, options, plan, unit?.record);

  const lock = await claim(native, store, record.id);
  const launch: Launch = { ctx, store, record, hooks: config.hooks ?? {}, console };
  try {
    store.write(record);
    await unit?.start();
    makeExecFifo(native, plan);
    makeMissing(store.missing(record.id), taskLimit(config.linux?.resources ?? {}) ?? 0n);
    makeNotifyDirectory(ctx, store.notify(record.id));
    const init = await launchInit(launch, withSockets(plan, ctx), mode.onInit);
    await unit?.release();
    record.creator = null;
    store.write(record);
    if (options.pidFile !== undefined) writePidFile(options.pidFile, init.pid);
    return { record, session: init.session };
  } catch (error) {
    const reason = isOutOfMemory(error, record) ? runcError('ERR_PINION_OOM') : error;
    await unit?.release();
    await undo(native, launch);
    throw reason;
  } finally {
    lock.release();
  }
}

/** Most containers have none, and need nothing of it. */
async function unitFor(ctx: Context, config: Config, id: string): Promise<ContainerUnit> {
  const { ContainerUnit } = await import('../systemd/container-unit.ts');
  return await ContainerUnit.prepare(ctx, config, id);
}

function planOf(
  ctx: Context,
  config: Config,
  options: CreateOptions,
  { foreground }: CreateMode,
  store: StateStore,
  systemd: PlanOptions['systemd'],
): LaunchPlan {
  const listening = listenFds(ctx);
  checkPreservedFds(3 + listening, options.preserveFds);
  const mounts = [...(config.mounts ?? []), ...notifyMount(ctx, store.notify(options.id))];
  return computePlan(
    { ...config, mounts },
    {
      id: options.id,
      bundle: options.bundle,
      execFifo: store.execFifo(options.id),
      foreground,
      preserveFds: listening + options.preserveFds,
      noPivot: options.noPivot,
      kernel: ctx.kernel,
      missing: store.missing(options.id),
      verbose: ctx.debug,
      rootless: ctx.rootless,
      systemd,
      warn: (message) => ctx.log.warning(message),
      host: readHost(),
    },
  );
}

/**
 * Tells the container's init alone of the sockets: of sd_notify(3), and of sd_listen_fds(3) as pid 1, which it is
 * to itself.
 */
function withSockets(plan: LaunchPlan, ctx: Context): LaunchPlan {
  const listening = listenFds(ctx);
  const sockets = listening === 0 ? [] : [`LISTEN_FDS=${listening}`, 'LISTEN_PID=1'];
  const env = [...plan.process.env, ...notifyVariable(ctx), ...sockets];
  return { ...plan, process: { ...plan.process, env } };
}

function newRecord(
  ctx: Context,
  config: Config,
  { id, bundle }: CreateOptions,
  plan: LaunchPlan,
  unit: UnitRecord | undefined,
): ContainerRecord {
  return {
    id,
    ociVersion: OCI_VERSION,
    configVersion: config.ociVersion,
    bundle,
    rootfs: plan.rootfs.path,
    created: new Date().toISOString(),
    annotations: config.annotations ?? {},
    creator: identify(ctx.pid) ?? null,
    init: null,
    ownPidNamespace: plan.namespaces.some(({ type, path }) => type === 'pid' && !path),
    cgroups: cgroupPaths(plan),
    ...(unit !== undefined && { unit }),
    process: plan.process,
    machine: machineSize(plan, ctx.kernel),
    hooks: {
      poststart: config.hooks?.poststart ?? [],
      poststop: config.hooks?.poststop ?? [],
    },
  };
}

function machineSize(
  { machine: { kernel, vcpus, firstCpu, memoryLimit } }: LaunchPlan,
  own: string,
): MachineSize {
  return {
    vcpus,
    ...(firstCpu !== undefined && { firstCpu }),
    ...(kernel !== own && { kernel }),
    ...(memoryLimit !== undefined && { memoryLimit }),
  };
}

async function claim(native: Native, store: StateStore, id: string): Promise<DirectoryLock> {
  store.claim(id);
  // A delete may look at the new directory for a moment, and even remove it.
  const lock = await DirectoryLock.acquire(native, store.directory(id), CLAIM_TIMEOUT);
  if (typeof lock === 'string') throw runcError('ERR_PINION_NOT_FOUND');
  return lock;
}

/** Root of the container's user namespace opens it for writing. */
function makeExecFifo(native: Native, { execFifo, uidMappings, gidMappings }: LaunchPlan): void {
  if (!execFifo) return;
  try {
    native.makeFifo(execFifo, 0o622);
    chownSync(execFifo, hostId(uidMappings), hostId(gidMappings));
  } catch (error) {
    throw systemError(`mkfifo ${execFifo}`, error);
  }
}

/** Zeros: nothing was asked for in vain yet. */
function makeMissing(path: string, tasks: bigint): void {
  try {
    writeFileSync(path, Buffer.alloc(MISSING_BYTES), { mode: 0o600 });
  } catch (error) {
    throw systemError(`write ${path}`, error);
  }
  writeTaskLimit(path, tasks);
}

/** The host's id of id 0 of the container. */
function hostId(mappings: LaunchPlan['uidMappings']): number {
  return mappings.find(({ containerID }) => containerID === 0)?.hostID ?? 0;
}

/** Whether the launcher tells of an init that the kernel has killed for want of memory. */
function isOutOfMemory(error: unknown, { cgroups }: ContainerRecord): boolean {
  return messageOf(error).endsWith('ended before it was ready: signal 9') && oomKills(cgroups) > 0;
}

/** Whatever goes wrong here, the error that led here says more. */
async function undo(native: Native, { ctx, store, record }: Launch): Promise<void> {
  try {
    await destroy(ctx, native, store, record);
  } catch (error) {
    ctx.log.debug(`removing what is left of container ${record.id}: ${messageOf(error)}`);
  }
  if (record.init !== null) await runPoststopHooks(ctx, record);
}
