/**
 * What the specification defines and Pinion does not have yet. A config that asks for one of
 * these is refused by name; a value that asks for nothing (absent, null, "", false, 0, [], {}) is
 * none.
 */
import { existsSync } from 'node:fs';
import type { Config, Process } from '../spec/index.ts';
import { planError, unsupportedError } from './errors.ts';

const OTHER_SYSTEM = 'is for another operating system';

/** Property path (`[]`: every item of a list) -> why it is refused. */
export const UNSUPPORTED: Readonly<Record<string, string>> = {
  'process.commandLine': OTHER_SYSTEM,
  'process.user.username': OTHER_SYSTEM,
  'process.selinuxLabel': 'SELinux is not supported yet',
  'linux.intelRdt': 'Intel RDT is not supported yet',
  'linux.mountLabel': 'SELinux is not supported yet',
  'linux.personality.flags': 'personality flags are not defined yet',
  'linux.personality.domain': 'only the domain LINUX is supported',
  'vm.hypervisor.path': 'the hypervisor cannot be chosen',
  'vm.hypervisor.parameters': 'the hypervisor cannot be chosen',
  'vm.kernel.initrd': 'the unikernel has no initial RAM disk',
  'vm.image.path': 'images are not supported yet',
  'vm.hwConfig.deviceTree': 'device trees are not supported',
  'vm.hwConfig.dtdevs': 'device trees are not supported',
  'vm.hwConfig.iomems': 'passing devices through is not supported',
  'vm.hwConfig.irqs': 'passing devices through is not supported',
  windows: OTHER_SYSTEM,
  solaris: OTHER_SYSTEM,
  zos: OTHER_SYSTEM,
  freebsd: OTHER_SYSTEM,
};

/** Whether a property of the specification is one that Pinion has. */
export function isSupported(path: string): boolean {
  return !Object.keys(UNSUPPORTED).some((entry) => entry === path || entry.startsWith(`${path}.`));
}

/** What asks for nothing, where that is not plain emptiness. */
const HARMLESS: Readonly<Record<string, (value: unknown) => boolean>> = {
  'linux.personality.domain': (value) => asksForNothing(value) || value === 'LINUX',
};

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asksForNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isRecord(value)) return Object.values(value).every(asksForNothing);
  return value === undefined || value === null || value === '' || value === false || value === 0;
}

/** All values at a path of the table, with the path that names each. */
function* valuesAt(value: unknown, steps: string[], path = ''): Generator<[string, unknown]> {
  const [step, ...rest] = steps;
  if (step === undefined) {
    yield [path, value];
    return;
  }
  const name = step.replace('[]', '');
  const at = path === '' ? name : `${path}.${name}`;
  const next = isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  if (!step.endsWith('[]')) {
    yield* valuesAt(next, rest, at);
  } else if (Array.isArray(next)) {
    for (const [i, item] of next.entries()) yield* valuesAt(item, rest, `${at}[${i}]`);
  }
}

/** runc's text where the host has no SELinux at all. */
const NO_SELINUX = 'selinux label is specified in config, but selinux is disabled or not supported';

/** @throws OciError (ERR_PINION_UNSUPPORTED) that names the first property of the table in use. */
export function refuseUnsupported(config: Partial<Config>): void {
  if (config.process?.selinuxLabel && !existsSync('/sys/fs/selinux/enforce')) {
    throw planError(NO_SELINUX);
  }
  for (const [entry, why] of Object.entries(UNSUPPORTED)) {
    for (const [path, value] of valuesAt(config, entry.split('.'))) {
      const isHarmless = HARMLESS[entry] ?? asksForNothing;
      if (!isHarmless(value)) throw unsupportedError(path, why);
    }
  }
}

/** The same for a process that joins a container. */
export function refuseUnsupportedProcess(process: Process): void {
  refuseUnsupported({ process });
}
