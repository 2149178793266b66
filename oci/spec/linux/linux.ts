/** config-linux.md. */
import { IdMapping } from '../mounts.ts';
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
} from '../schema.ts';
import { Device } from './devices.ts';
import { Namespace, NetDevices, TimeOffsets } from './namespaces.ts';
import { Resources } from './resources.ts';
import { Seccomp } from './seccomp.ts';

/** The schema's four and their recursive forms, which containerd and podman pass. */
export const ROOTFS_PROPAGATIONS = [
  'private',
  'shared',
  'slave',
  'unbindable',
  'rprivate',
  'rshared',
  'rslave',
  'runbindable',
] as const;

const IntelRdt = section('config-linux.md#intelrdt', 'Intel Resource Director Technology.', {
  closID: optional(text('Identity of the class of service.')),
  schemata: optional(texts('Lines for the schemata file.')),
  l3CacheSchema: optional(text('L3 cache: the L3 line of the schemata file.')),
  memBwSchema: optional(
    text('Memory bandwidth: the MB line of the schemata file.', { pattern: '^MB:[^\\n]*$' }),
  ),
  enableMonitoring: optional(flag('Whether a monitoring group is made.')),
  enableCMT: optional(flag('Cache monitoring (specification 1.1 and 1.2).')),
  enableMBM: optional(flag('Memory bandwidth monitoring (specification 1.1 and 1.2).')),
});

const MemoryPolicy = section('config-linux.md#memory-policy', 'NUMA policy: set_mempolicy(2).', {
  mode: optional(
    choice(
      [
        'MPOL_DEFAULT',
        'MPOL_BIND',
        'MPOL_INTERLEAVE',
        'MPOL_WEIGHTED_INTERLEAVE',
        'MPOL_PREFERRED',
        'MPOL_PREFERRED_MANY',
        'MPOL_LOCAL',
      ],
      'The policy.',
    ),
  ),
  nodes: optional(text('Memory nodes: "0-3,7".')),
  flags: optional(
    list(
      choice(['MPOL_F_NUMA_BALANCING', 'MPOL_F_RELATIVE_NODES', 'MPOL_F_STATIC_NODES'], 'A flag.'),
      'Flags of the policy.',
    ),
  ),
});

const Personality = section('config-linux.md#personality', 'Execution domain: personality(2).', {
  domain: optional(choice(['LINUX', 'LINUX32'], 'The execution domain.')),
  flags: optional(texts('Further flags: none are defined yet.')),
});

export const Linux = section('config-linux.md', 'What is particular to Linux.', {
  namespaces: optional(list(Namespace, "Namespaces; those not listed are the runtime's own.")),
  uidMappings: optional(list(IdMapping, 'User ids of the user namespace.')),
  gidMappings: optional(list(IdMapping, 'Group ids of the user namespace.')),
  timeOffsets: optional(TimeOffsets),
  devices: optional(list(Device, 'Device nodes beyond the default ones.')),
  netDevices: optional(NetDevices),
  cgroupsPath: optional(text("The container's control group (config-linux.md#cgroups-path).")),
  resources: optional(Resources),
  intelRdt: optional(IntelRdt),
  memoryPolicy: optional(MemoryPolicy),
  sysctl: optional(map(Type.String(), 'Kernel parameters by name, as of sysctl(8).')),
  seccomp: optional(Seccomp),
  rootfsPropagation: optional(
    choice(ROOTFS_PROPAGATIONS, "Propagation of the root file system's mount."),
  ),
  maskedPaths: optional(texts('Paths in the container that read as empty.')),
  readonlyPaths: optional(texts('Paths in the container that are read-only.')),
  mountLabel: optional(text('SELinux context of the mounts.')),
  personality: optional(Personality),
});
export type Linux = Static<typeof Linux>;
