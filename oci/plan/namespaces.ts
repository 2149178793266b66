/** config-linux.md#namespaces. */
import { lstatSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { LaunchPlan } from '../launch-plan.ts';
import type { Config } from '../spec/index.ts';
import { looking, planError, propertyError, unsupportedError } from './errors.ts';

export type Namespaces = LaunchPlan['namespaces'];
type Kind = Namespaces[number]['type'];

/** Whether the container has a namespace that is not the runtime's own. */
export function hasNamespace(namespaces: Namespaces, kind: Kind): boolean {
  return namespaces.some(({ type }) => type === kind);
}

export function planNamespaces(config: Config): Namespaces {
  const listed = config.linux?.namespaces ?? [];
  const namespaces = listed.map(({ type, path }, i): Namespaces[number] => {
    if (path === undefined || path === '') return { type };
    if (!isAbsolute(path)) {
      throw propertyError(`linux.namespaces[${i}].path`, `${path} is not an absolute path`);
    }
    return { type, path };
  });
  const twice = namespaces.find(({ type }, i) => namespaces.findIndex((n) => n.type === type) < i);
  if (twice) throw planError(`malformed spec file: duplicated ns "${twice.type}"`);
  if (!hasNamespace(namespaces, 'mount')) refuseHostMounts(config);
  for (const { path } of namespaces) if (path !== undefined) checkPath(path);
  return namespaces;
}

/**
 * runc then makes the container's mounts on the host, where they stay for ever, and a chroot(2) that root of the
 * container leaves at will.
 */
function refuseHostMounts({ linux }: Config): never {
  if ([...(linux?.maskedPaths ?? []), ...(linux?.readonlyPaths ?? [])].length > 0) {
    throw planError('unable to restrict sys entries without a private MNT namespace');
  }
  throw unsupportedError(
    'linux.namespaces',
    'a container without a mount namespace of its own is not supported',
  );
}

/** The monitor joins by this path; what is wrong with it is said before anything is made. */
function checkPath(path: string): void {
  const context = `unable to create new parent process: namespace path: lstat ${path}`;
  looking(context, () => lstatSync(path));
}

type IdMappings = LaunchPlan['uidMappings'];

/** The mappings of a new user namespace; runc's rules (validate.usernamespace). */
export function planIdMappings(
  config: Config,
  namespaces: Namespaces,
): Pick<LaunchPlan, 'uidMappings' | 'gidMappings'> {
  const uidMappings: IdMappings = config.linux?.uidMappings ?? [];
  const gidMappings: IdMappings = config.linux?.gidMappings ?? [];
  const user = namespaces.find(({ type }) => type === 'user');
  if (user === undefined && uidMappings.length + gidMappings.length > 0) {
    throw planError(
      "user namespace mappings specified, but user namespace isn't enabled in the config",
    );
  }
  if (user !== undefined && user.path === undefined) {
    if (uidMappings.length === 0) {
      throw planError('User namespaces enabled, but no uid mappings found.');
    }
    if (gidMappings.length === 0) {
      throw planError('User namespaces enabled, but no gid mappings found.');
    }
  }
  // A joined namespace has its mappings already.
  if (user?.path !== undefined) return { uidMappings: [], gidMappings: [] };
  return { uidMappings, gidMappings };
}

/** A host or domain name needs a UTS namespace that is not the host's. */
export function planNames(
  config: Config,
  namespaces: Namespaces,
): Pick<LaunchPlan, 'hostname' | 'domainname'> {
  const names: Pick<LaunchPlan, 'hostname' | 'domainname'> = {};
  for (const name of ['hostname', 'domainname'] as const) {
    const value = config[name];
    if (value === undefined || value === '') continue;
    if (!hasNamespace(namespaces, 'uts')) {
      throw planError(`unable to set ${name} without a private UTS namespace`);
    }
    if (Buffer.byteLength(value) > 64) throw propertyError(name, 'longer than 64 bytes');
    names[name] = value;
  }
  return names;
}

const OFFSET_CLOCKS = ['monotonic', 'boottime'] as const;
const SECOND = 1_000_000_000;

/** What the clocks of a new time namespace are ahead of the host's. */
export function planTimeOffsets(config: Config, namespaces: Namespaces): LaunchPlan['timeOffsets'] {
  const offsets = OFFSET_CLOCKS.flatMap((clock) => {
    const { secs = 0, nanosecs = 0 } = config.linux?.timeOffsets?.[clock] ?? {};
    if (Number(secs) === 0 && nanosecs === 0) return [];
    if (!Number.isSafeInteger(Number(secs)) || nanosecs >= SECOND) {
      throw propertyError(`linux.timeOffsets.${clock}`, 'out of range');
    }
    return [{ clock, seconds: Number(secs), nanoseconds: nanosecs }];
  });
  if (offsets.length === 0) return [];
  const time = namespaces.find(({ type }) => type === 'time');
  if (time === undefined) {
    throw planError(
      "time namespace offsets specified, but time namespace isn't enabled in the config",
    );
  }
  if (time.path !== undefined) {
    throw planError(
      'time namespace enabled, but both namespace path and time offsets specified -- you may only provide one',
    );
  }
  return offsets;
}
