/** features.md: what a runtime can do, for callers that ask. */

import { NAMESPACES } from './linux/namespaces.ts';
import {
  SECCOMP_ACTIONS,
  SECCOMP_ARCHITECTURES,
  SECCOMP_FLAGS,
  SECCOMP_OPERATORS,
} from './linux/seccomp.ts';
import {
  choice,
  flag,
  list,
  map,
  optional,
  type Static,
  section,
  Type,
  text,
  texts,
} from './schema.ts';

const enabled = (see: string, description: string) =>
  optional(section(see, description, { enabled: optional(flag('Whether it is supported.')) }));

const Cgroup = section('features-linux.md#cgroup', 'Control groups.', {
  v1: optional(flag('cgroup v1.')),
  v2: optional(flag('cgroup v2.')),
  systemd: optional(flag('The systemd driver.')),
  systemdUser: optional(flag("The systemd driver of a user's own manager.")),
  rdma: optional(flag('The RDMA controller.')),
});

const seccompFlags = (description: string) =>
  optional(list(choice(SECCOMP_FLAGS, 'A flag.'), description));
const Seccomp = section('features-linux.md#seccomp', 'Filters of system calls.', {
  enabled: optional(flag('Whether they are supported.')),
  actions: optional(list(choice(SECCOMP_ACTIONS, 'An action.'), 'Known actions.')),
  operators: optional(list(choice(SECCOMP_OPERATORS, 'A comparison.'), 'Known comparisons.')),
  archs: optional(list(choice(SECCOMP_ARCHITECTURES, 'An architecture.'), 'Architectures.')),
  knownFlags: seccompFlags('Known flags.'),
  supportedFlags: seccompFlags('Flags that the kernel supports, too.'),
});

const Linux = section('features-linux.md', 'What is particular to Linux.', {
  namespaces: optional(list(choice(NAMESPACES, 'A kind.'), 'Known kinds of namespaces.')),
  capabilities: optional(
    list(text('CAP_CHOWN and the like.', { pattern: '^CAP_[A-Z_]+$' }), 'Known capabilities.'),
  ),
  cgroup: optional(Cgroup),
  seccomp: optional(Seccomp),
  apparmor: enabled('features-linux.md#apparmor', 'AppArmor.'),
  selinux: enabled('features-linux.md#selinux', 'SELinux.'),
  intelRdt: enabled('features-linux.md#intel-rdt', 'Intel RDT.'),
  mountExtensions: optional(
    section('features-linux.md#mount-extensions', 'Extensions of mounts.', {
      idmap: enabled('features-linux.md#mount-extensions', 'Idmapped mounts.'),
    }),
  ),
  netDevices: enabled('features-linux.md#net-devices', 'Network devices.'),
});

export const Features = section('features.md', 'What a runtime can do.', {
  ociVersionMin: text('The oldest version of the specification that it accepts.'),
  ociVersionMax: text('The newest version of the specification that it accepts.'),
  hooks: optional(texts('Kinds of hooks.')),
  mountOptions: optional(texts('Options of mounts, but those of file systems.')),
  annotations: optional(map(Type.String(), 'Metadata of the runtime.')),
  potentiallyUnsafeConfigAnnotations: optional(texts('Annotations that may change behaviour.')),
  linux: optional(Linux),
});
export type Features = Static<typeof Features>;
