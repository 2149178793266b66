/**
 * config-linux.md#device-cgroup: the rules as cgroup v1 means them, which has either a list of
 * what is allowed or a list of what is denied. After runc's emulator, so that v1 and v2 agree.
 */
import type { PlanDeviceRule } from '../../launch-plan.ts';
import type { Resources } from '../../spec/index.ts';
import { planError, propertyError } from '../errors.ts';
import { toUint32 } from '../integers.ts';

type SpecRule = NonNullable<Resources['devices']>[number];

/** runc's list: it follows the config's rules. */
const allow = (type: 'b' | 'c', major?: number, minor?: number, access = 'rwm') => ({
  allow: true,
  type,
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
  access,
});
export const DEFAULT_RULES: readonly PlanDeviceRule[] = [
  // mknod of any device: to make a node is not to use it
  allow('c', undefined, undefined, 'm'),
  allow('b', undefined, undefined, 'm'),
  allow('c', 1, 3), // null
  allow('c', 1, 8), // random
  allow('c', 1, 7), // full
  allow('c', 5, 0), // tty
  allow('c', 1, 5), // zero
  allow('c', 1, 9), // urandom
  allow('c', 136), // pseudo-terminals
  allow('c', 5, 2), // ptmx
  allow('c', 10, 200), // net/tun
];

function parseNumber(value: SpecRule['major'], path: string): number | undefined {
  return value === undefined || value === -1 ? undefined : toUint32(value, path);
}

const EVERYTHING = { type: 'a', access: 'rwm' } as const;

/**
 * A rule without a type is for block and character devices. v1 has one line for both, which knows
 * neither numbers nor letters: a rule that has some becomes two. (runc takes `{"allow": true,
 * "major": 10}` for all devices.)
 */
function parseRule(rule: SpecRule, i: number): PlanDeviceRule[] {
  const path = `linux.resources.devices[${i}]`;
  const type = rule.type === undefined || rule.type === '' ? 'a' : rule.type;
  if (type !== 'a' && type !== 'b' && type !== 'c') {
    throw propertyError(`${path}.type`, `expected a, b or c, found ${JSON.stringify(type)}`);
  }
  const access = withoutAll(rule.access ?? '');
  if (access === '') throw planError(`device access at ${i} field cannot be empty`);
  if (!/^[rwm]+$/.test(access)) {
    throw propertyError(`${path}.access`, `expected some of rwm, found ${JSON.stringify(access)}`);
  }
  const numbers = numbersOf({
    major: parseNumber(rule.major, `${path}.major`),
    minor: parseNumber(rule.minor, `${path}.minor`),
  });
  const { allow } = rule;
  const isAll = Object.keys(numbers).length === 0 && new Set(access).size === 3;
  if (type !== 'a') return [{ allow, type, ...numbers, access }];
  if (isAll) return [{ allow, ...EVERYTHING }];
  return [
    { allow, type: 'b', ...numbers, access },
    { allow, type: 'c', ...numbers, access },
  ];
}

/** runc takes an `a` among the letters and makes nothing of it. */
const withoutAll = (access: string): string =>
  /[rwm]/.test(access) ? access.replaceAll('a', '') : access;

/** Which devices: v1 keeps one entry for each of these. */
type Scope = Pick<PlanDeviceRule, 'type' | 'major' | 'minor'>;

const keyOf = ({ type, major, minor }: Scope): string => `${type} ${major ?? '*'}:${minor ?? '*'}`;

/** The wider scopes that overlap one. */
function wider({ type, major, minor }: Scope): string[] {
  const own = keyOf({ type, ...(major === undefined ? {} : { major }) });
  const ofMinor = minor === undefined ? `${type} *:*` : `${type} *:${minor}`;
  const keys = new Set([own, ofMinor, `${type} *:*`]);
  keys.delete(keyOf({ type, ...numbersOf({ major, minor }) }));
  return [...keys];
}

function numbersOf({ major, minor }: { major: number | undefined; minor: number | undefined }) {
  return {
    ...(major === undefined ? {} : { major }),
    ...(minor === undefined ? {} : { minor }),
  };
}

const letters = (access: string, keep: (letter: string) => boolean): string =>
  [...'rwm'].filter((letter) => access.includes(letter) || keep(letter)).join('');

/** The state of a v1 devices group: everything but, or nothing but, some devices. */
export interface DeviceList {
  /** Whether what is not listed is allowed. */
  allowByDefault: boolean;
  exceptions: PlanDeviceRule[];
}

/** What a list of rules comes to when they are applied in order. */
export function applyRules(rules: readonly PlanDeviceRule[]): DeviceList {
  let allowByDefault = false;
  let exceptions = new Map<string, PlanDeviceRule>();
  for (const rule of rules) {
    if (rule.type === 'a') {
      allowByDefault = rule.allow;
      exceptions = new Map();
      continue;
    }
    const key = keyOf(rule);
    const present = exceptions.get(key)?.access ?? '';
    if (rule.allow !== allowByDefault) {
      const access = letters(rule.access, (letter) => present.includes(letter));
      exceptions.set(key, { ...rule, access });
      continue;
    }
    const hole = wider(rule).find((at) =>
      [...(exceptions.get(at)?.access ?? '')].some((letter) => rule.access.includes(letter)),
    );
    if (hole !== undefined) {
      throw planError(
        `linux.resources.devices: requested rule [${key} ${rule.access}] not supported ` +
          `(cannot punch hole in existing wildcard rule [${hole}])`,
      );
    }
    const access = [...present].filter((letter) => !rule.access.includes(letter)).join('');
    if (access === '') exceptions.delete(key);
    else exceptions.set(key, { ...rule, allow: !allowByDefault, access });
  }
  return { allowByDefault, exceptions: [...exceptions.values()] };
}

/** The rules of a config and the default ones. */
export function planDeviceRules(resources: Resources): DeviceList {
  const listed = (resources.devices ?? []).flatMap(parseRule);
  return applyRules([...listed, ...DEFAULT_RULES]);
}

/** v1: the lines that bring a fresh group, which has its parent's list, into a state. */
export function deviceWrites({ allowByDefault, exceptions }: DeviceList) {
  const file = (allowed: boolean) => (allowed ? 'devices.allow' : 'devices.deny');
  return [
    { file: file(allowByDefault), value: 'a' },
    ...exceptions.map((rule) => ({
      file: file(rule.allow),
      value: `${keyOf(rule)} ${rule.access}`,
    })),
  ];
}

/** v2: the same state as rules of which the last that matches decides. */
export function filterRules({ allowByDefault, exceptions }: DeviceList): PlanDeviceRule[] {
  return [{ allow: allowByDefault, ...EVERYTHING }, ...exceptions];
}
