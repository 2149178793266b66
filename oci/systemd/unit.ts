/** The unit of a container, by the rules of runc's systemd driver: `slice:prefix:name`. */
import { join } from 'node:path';
import { planError } from '../plan/errors.ts';

const SUFFIX = '.slice';

export interface Unit {
  /** Of the container: a scope, or a slice if it is named so. */
  name: string;
  /** The slice that the unit is in. */
  slice: string;
  /** The unit's group below that of the service manager, absolute. */
  path: string;
}

/**
 * @param cgroupsPath - linux.cgroupsPath; absent or empty: `runc-ID.scope` in the usual slice.
 * @param user - Of a user's service manager, not the system's.
 */
export function unitOf(cgroupsPath: string | undefined, id: string, user = false): Unit {
  const [given, prefix, name] = parse(cgroupsPath || `:runc:${id}`);
  const slice = given || (user ? 'user.slice' : 'system.slice');
  const unit = isSlice(name) ? name : `${prefix}-${name}.scope`;
  if (unit.includes('/')) throw planError(`invalid unit name: ${unit}`);
  return { name: unit, slice, path: join('/', expandSlice(slice), unit) };
}

/** A unit that lasts without processes. */
export function isSlice(name: string): boolean {
  return name.endsWith(SUFFIX);
}

function parse(path: string): [string, string, string] {
  const [slice, prefix, name, more] = path.split(':');
  if (slice === undefined || prefix === undefined || name === undefined || more !== undefined) {
    throw planError(
      'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, ' +
        `got ${JSON.stringify(path)} instead`,
    );
  }
  return [slice, prefix, name];
}

/** `a-b.slice` is in `a.slice`, `-.slice` the root of all (systemd.slice(5)). */
function expandSlice(slice: string): string {
  const invalid = planError(`invalid slice name: ${slice}`);
  if (slice.length <= SUFFIX.length || !slice.endsWith(SUFFIX) || slice.includes('/'))
    throw invalid;
  const name = slice.slice(0, -SUFFIX.length);
  if (name === '-') return '/';
  const parts = name.split('-');
  if (parts.includes('')) throw invalid;
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join('-')}${SUFFIX}`).join('');
}
