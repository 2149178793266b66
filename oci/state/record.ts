import { OciError } from '../errors.ts';
import type { LaunchPlan, PlanProcess } from '../launch-plan.ts';
import type { Hook } from '../spec/hooks.ts';
import type { ProcessIdentity } from './process.ts';

export type { PlanProcess };
/** With the kernel that config.json chose, if it did. */
export type MachineSize = Pick<LaunchPlan['machine'], 'vcpus' | 'firstCpu' | 'memoryLimit'> & {
  kernel?: string;
};

export interface UnitRecord {
  name: string;
  /** Of the user's service manager, not the host's. */
  user: boolean;
}

/** What is remembered of a container, in `<root>/<id>/state.json`. */
export interface ContainerRecord {
  id: string;
  /** Of the specification that the `state` output complies with. */
  ociVersion: string;
  /** Of the specification that config.json follows. Records of Pinion 0.1.0 may lack it. */
  configVersion?: string;
  /** Absolute. */
  bundle: string;
  /** Absolute. */
  rootfs: string;
  /** RFC 3339, UTC. */
  created: string;
  annotations: Record<string, string>;
  /** Who is creating it, null from then on. */
  creator: ProcessIdentity | null;
  /** The container's init on the host, null until it exists. */
  init: ProcessIdentity | null;
  /** Whether the init is pid 1 of a namespace of its own: then its death ends all the others. */
  ownPidNamespace: boolean;
  /** The directories of the container's own control groups, one for each hierarchy. */
  cgroups: string[];
  /** The systemd driver's: the unit that the groups are of. */
  unit?: UnitRecord;
  /** The container's process, which `exec` takes over but for what it is told. */
  process: PlanProcess;
  /** The size of the microVM of each process. */
  machine: MachineSize;
  /** config.json may change after `create`; its hooks then do not. */
  hooks: { poststart: Hook[]; poststop: Hook[] };
}

/** Reads a record back. Only this program writes them, so the shape is checked, not each hook. */
export function parseRecord(id: string, text: string): ContainerRecord {
  const record = parseObject(text);
  if (
    record === undefined ||
    record.id !== id ||
    !['ociVersion', 'bundle', 'rootfs', 'created'].every(
      (key) => typeof record[key] === 'string',
    ) ||
    !['annotations', 'hooks', 'process', 'machine'].every((key) => isObject(record[key])) ||
    !['creator', 'init'].every((key) => record[key] === null || isObject(record[key])) ||
    !Array.isArray(record.cgroups)
  ) {
    throw new OciError('ERR_PINION_STATE_DAMAGED', `state.json of container ${id} is damaged`, {
      hint: `pinion delete --force ${id}`,
    });
  }
  return record as unknown as ContainerRecord;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
