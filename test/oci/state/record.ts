/** A container's record for tests. */
import type { ContainerRecord } from '../../../oci/state/record.ts';

export function recordOf(change: Partial<ContainerRecord> = {}): ContainerRecord {
  return {
    id: 'c',
    ociVersion: '1.3.0',
    bundle: '/b',
    rootfs: '/b/rootfs',
    created: '2026-01-01T00:00:00Z',
    annotations: {},
    creator: null,
    init: null,
    ownPidNamespace: true,
    cgroups: [],
    process: {
      args: ['true'],
      env: [],
      cwd: '/',
      uid: 0,
      gid: 0,
      additionalGids: [],
      rlimits: [],
      noNewPrivileges: false,
    },
    machine: { vcpus: 1 },
    hooks: { poststart: [], poststop: [] },
    ...change,
  };
}
