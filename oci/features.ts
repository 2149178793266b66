/** What `features` tells (features.md): made of the tables that decide, so that it lists what works. */
import { CAPABILITIES } from './plan/capabilities.ts';
import { MOUNT_OPTIONS } from './plan/mount-options.ts';
import { isSupported } from './plan/unsupported.ts';
import { type Features, OCI_VERSION } from './spec/index.ts';

const HOOKS = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
];

const NAMESPACES: NonNullable<NonNullable<Features['linux']>['namespaces']> = [
  'cgroup',
  'ipc',
  'mount',
  'network',
  'pid',
  'time',
  'user',
  'uts',
];

/** Of the runtime, whatever the host can do. */
export function features(): Features {
  return {
    ociVersionMin: '1.0.0',
    ociVersionMax: OCI_VERSION,
    hooks: HOOKS,
    mountOptions: Object.keys(MOUNT_OPTIONS).sort(),
    linux: {
      namespaces: NAMESPACES,
      capabilities: [...CAPABILITIES],
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: { enabled: isSupported('linux.seccomp') },
      apparmor: { enabled: isSupported('process.apparmorProfile') },
      selinux: { enabled: isSupported('process.selinuxLabel') },
      intelRdt: { enabled: isSupported('linux.intelRdt') },
      mountExtensions: { idmap: { enabled: isSupported('mounts[].uidMappings') } },
      netDevices: { enabled: isSupported('linux.netDevices') },
    },
  };
}
