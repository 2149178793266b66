/** The unit of a container from its start to its end: what runc's systemd driver does. */
import type { Context } from '../context.ts';
import { OciError } from '../errors.ts';
import { planDeviceRules } from '../plan/cgroups/devices.ts';
import type { Hierarchy } from '../plan/cgroups/hierarchies.ts';
import { isUnified } from '../plan/cgroups/paths.ts';
import { type PlanOptions, readHost } from '../plan/index.ts';
import type { Config, Resources } from '../spec/index.ts';
import type { UnitRecord } from '../state/record.ts';
import { annotatedProperties } from './annotations.ts';
import { Holder } from './holder.ts';
import { deviceProperties, limitProperties } from './limits.ts';
import { isRunning, Manager } from './manager.ts';
import { flag, type Property, text, texts } from './property.ts';
import { isSlice, type Unit, unitOf } from './unit.ts';

export class ContainerUnit {
  /** Whose unit it is. */
  readonly manager: NonNullable<PlanOptions['systemd']>;
  readonly #unit: Unit;
  readonly #properties: readonly Property[];
  readonly #bus: Manager;
  #holder: Holder | undefined;

  private constructor(
    bus: Manager,
    manager: ContainerUnit['manager'],
    unit: Unit,
    properties: Property[],
  ) {
    this.#bus = bus;
    this.manager = manager;
    this.#unit = unit;
    this.#properties = properties;
  }

  /** Changes nothing yet. The unit is the host's or, without root, the user's. */
  static async prepare(ctx: Context, config: Config, id: string): Promise<ContainerUnit> {
    if (!isRunning()) {
      const message = 'systemd not running on this host, cannot use systemd cgroups manager';
      throw new OciError('ERR_PINION_SYSTEMD', message);
    }
    const user = ctx.rootless;
    if (user && !isUnified(readHost().cgroups)) {
      const message = 'cannot use rootless systemd cgroups manager on cgroup v1';
      throw new OciError('ERR_PINION_SYSTEMD', message);
    }
    const unit = unitOf(config.linux?.cgroupsPath, id, user);
    const properties = unitProperties(unit, config, isUnified(readHost().cgroups));
    const bus = new Manager(ctx.env, user);
    return new ContainerUnit(bus, { root: await bus.root(), user }, unit, properties);
  }

  get record(): UnitRecord {
    return { name: this.#unit.name, user: this.manager.user };
  }

  /** Starts it, empty but for a process that keeps it from ending before the container's is there. */
  async start(): Promise<void> {
    if (isSlice(this.#unit.name)) return await this.#bus.start(this.#unit.name, this.#properties);
    this.#holder = await Holder.start();
    const pids = { name: 'PIDs', signature: 'au', words: ['1', String(this.#holder.pid)] };
    await this.#bus.start(this.#unit.name, [pids, ...this.#properties]);
  }

  /** The container's init is in the unit, or will never be. */
  async release(): Promise<void> {
    await this.#holder?.end();
  }
}

function unitProperties({ name, slice }: Unit, config: Config, unified: boolean): Property[] {
  const resources = config.linux?.resources ?? {};
  return [
    text('Description', `pinion container ${name}`),
    ...(isSlice(name) ? [texts('Wants', [slice])] : [text('Slice', slice), flag('Delegate', true)]),
    flag('MemoryAccounting', true),
    flag('CPUAccounting', true),
    flag(unified ? 'IOAccounting' : 'BlockIOAccounting', true),
    flag('TasksAccounting', true),
    flag('DefaultDependencies', false),
    ...deviceProperties(planDeviceRules(resources)),
    ...limitProperties(resources, unified),
    ...annotatedProperties(config.annotations ?? {}),
  ];
}

/** What `update` changes, as properties of the unit. */
export async function updateUnit(
  { env }: Context,
  { name, user }: UnitRecord,
  resources: Resources,
  hierarchies: readonly Hierarchy[],
): Promise<void> {
  await new Manager(env, user).set(name, limitProperties(resources, isUnified(hierarchies)));
}

/** Most are gone by themselves, with their last process. */
export async function stopUnit({ env }: Context, { name, user }: UnitRecord): Promise<void> {
  if (isRunning()) await new Manager(env, user).stop(name);
}
