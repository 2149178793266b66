/** Device nodes: config-linux.md#devices and #default-devices. */
import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { LaunchPlan, PlanDevice, PlanMount } from '../launch-plan.ts';
import type { Config } from '../spec/index.ts';
import { propertyError } from './errors.ts';
import { toUint32 } from './integers.ts';

/** runc's default nodes. /dev/console is made only for a terminal, /dev/ptmx is a link. */
export const DEFAULT_DEVICES = [
  { path: '/dev/null', major: 1, minor: 3 },
  { path: '/dev/random', major: 1, minor: 8 },
  { path: '/dev/full', major: 1, minor: 7 },
  { path: '/dev/tty', major: 5, minor: 0 },
  { path: '/dev/zero', major: 1, minor: 5 },
  { path: '/dev/urandom', major: 1, minor: 9 },
] as const;

const LINKS = {
  '/dev/fd': '/proc/self/fd',
  '/dev/stdin': '/proc/self/fd/0',
  '/dev/stdout': '/proc/self/fd/1',
  '/dev/stderr': '/proc/self/fd/2',
  '/dev/ptmx': 'pts/ptmx',
} as const;

const DEFAULT_MODE = 0o666;
/** What of a mode is not the file's type (inode(7)). */
const PERMISSIONS = 0o7777;

type SpecDevice = NonNullable<NonNullable<Config['linux']>['devices']>[number];

const TYPES: Readonly<Record<string, PlanDevice['type']>> = { b: 'b', c: 'c', u: 'c', p: 'p' };

function planDevice(device: SpecDevice, path: string): PlanDevice {
  const type = TYPES[device.type];
  if (type === undefined) throw propertyError(`${path}.type`, `unknown type ${device.type}`);
  if (!isAbsolute(device.path)) throw propertyError(`${path}.path`, 'must be an absolute path');
  const number = (name: 'major' | 'minor') => {
    if (type === 'p') return 0;
    const value = device[name];
    if (value === undefined) throw propertyError(`${path}.${name}`, 'missing');
    return toUint32(value, `${path}.${name}`);
  };
  return {
    path: resolve(device.path),
    type,
    major: number('major'),
    minor: number('minor'),
    mode: (device.fileMode ?? DEFAULT_MODE) & PERMISSIONS,
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
  };
}

/** A /dev that is bound from the host is left as it is. */
export function planDevices(
  config: Config,
  mounts: readonly PlanMount[],
): Pick<LaunchPlan, 'devices' | 'devLinks'> {
  const listed = (config.linux?.devices ?? []).map((device, i) =>
    planDevice(device, `linux.devices[${i}]`),
  );
  if (mounts.some(({ destination, type }) => destination === '/dev' && type === 'bind')) {
    return { devices: [], devLinks: {} };
  }
  const defaults = DEFAULT_DEVICES.filter(({ path }) => !listed.some((d) => d.path === path)).map(
    (device): PlanDevice => ({ ...device, type: 'c', mode: DEFAULT_MODE, uid: 0, gid: 0 }),
  );
  const kcore = existsSync('/proc/kcore') ? { '/dev/core': '/proc/kcore' } : {};
  return { devices: [...defaults, ...listed], devLinks: { ...LINKS, ...kcore } };
}
