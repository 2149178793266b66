/** No property of the specification is passed over in silence. */
import { expect, it } from 'vitest';
import { computePlan } from '../../../oci/plan/index.ts';
import { UNSUPPORTED } from '../../../oci/plan/unsupported.ts';
import type { Config } from '../../../oci/spec/config.ts';
import { Config as schema } from '../../../oci/spec/config.ts';
import { type Shape, shapeOf } from '../../../oci/spec/shape.ts';
import { config, hierarchiesV1, planOptions, V1_CONTROLLERS } from './fixture.ts';

/** Properties without an effect on the plan, and why that is right. */
const NO_EFFECT: Record<string, string> = {
  ociVersion: 'checked by the reader',
  'process.consoleSize.height': 'must be ignored without a terminal',
  'process.consoleSize.width': 'must be ignored without a terminal',
  'vm.image.format': 'of vm.image.path, which is refused',
  'linux.seccomp.listenerMetadata': 'of SCMP_ACT_NOTIFY, which is refused',
  'linux.resources.memory.kernel': 'obsolete: Linux has no such limit, runc ignores it',
  'linux.resources.memory.kernelTCP': 'obsolete: runc ignores it',
  'linux.resources.memory.useHierarchy': 'always so in Linux >= 5.11',
  'linux.resources.memory.checkBeforeUpdate': 'for updates only',
};

/** The members of hooks that the runtime runs itself are read when they are run. */
const RUN_BY_LIFECYCLE =
  /^hooks\.(prestart|createRuntime|createContainer|poststart|poststop)\[\]\./;

function* leaves(shape: Shape, path = ''): Generator<string> {
  if (shape === null) yield path;
  else if ('items' in shape) yield* leaves(shape.items, `${path}[]`);
  else if ('values' in shape) yield* leaves(shape.values, `${path}{}`);
  else {
    for (const [name, inner] of Object.entries(shape.properties)) {
      yield* leaves(inner, path === '' ? name : `${path}.${name}`);
    }
  }
}

const MAPS = [
  'linux.netDevices',
  'linux.resources.rdma',
  'linux.resources.unified',
  'linux.sysctl',
  'annotations',
];

/** The same value, which notes the path of each property that is read. */
function watched<T>(value: T, seen: Set<string>, path = ''): T {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key, receiver) {
      const inner: unknown = Reflect.get(target, key, receiver);
      if (typeof key === 'symbol' || typeof inner === 'function') return inner;
      const isList = Array.isArray(target);
      if (isList && !/^\d+$/.test(key)) return inner;
      const name = isList ? '[]' : MAPS.includes(path) ? '{}' : path === '' ? key : `.${key}`;
      seen.add(path + name);
      return watched(inner, seen, path + name);
    },
  });
}

const hook = [{ path: '/h', args: ['h'], env: ['A=b'], timeout: 1 }];
const rate = [{ major: 8, minor: 0, rate: 1 }];
const everything: object = {
  annotations: { a: 'b' },
  hostname: 'h',
  domainname: 'd',
  root: { path: 'rootfs', readonly: true },
  process: {
    user: { uid: 1, gid: 1, umask: 1, additionalGids: [1] },
    env: ['A=b'],
    capabilities: {
      bounding: ['CAP_KILL'],
      effective: ['CAP_KILL'],
      inheritable: ['CAP_KILL'],
      permitted: ['CAP_KILL'],
      ambient: ['CAP_KILL'],
    },
    rlimits: [{ type: 'RLIMIT_AS', soft: 1, hard: 1 }],
    ioPriority: { class: 'IOPRIO_CLASS_BE', priority: 1 },
    scheduler: {
      policy: 'SCHED_DEADLINE',
      nice: 1,
      priority: 0,
      flags: ['SCHED_FLAG_RECLAIM'],
      runtime: 1,
      deadline: 2,
      period: 3,
    },
    execCPUAffinity: { initial: '0', final: '0' },
  },
  mounts: [
    {
      destination: '/a',
      source: '/',
      type: 'bind',
      options: ['ro'],
      uidMappings: [{ containerID: 0, hostID: 1, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: 1, size: 1 }],
    },
  ],
  hooks: { prestart: hook, startContainer: hook, createContainer: hook, poststop: hook },
  vm: { kernel: { path: '', parameters: ['verbose'] }, hwConfig: { vcpus: 0, memory: 0 } },
  linux: {
    namespaces: [
      { type: 'mount' },
      { type: 'uts' },
      { type: 'ipc' },
      { type: 'user' },
      { type: 'time' },
      { type: 'network' },
    ],
    netDevices: { eth0: { name: 'eth1' } },
    timeOffsets: {
      boottime: { secs: 1, nanosecs: 1 },
      monotonic: { secs: 1, nanosecs: 1 },
    },
    memoryPolicy: { mode: 'MPOL_BIND', nodes: '0', flags: ['MPOL_F_STATIC_NODES'] },
    uidMappings: [{ containerID: 0, hostID: 0, size: 1 }],
    gidMappings: [{ containerID: 0, hostID: 0, size: 1 }],
    devices: [{ path: '/dev/x', type: 'c', major: 1, minor: 1, fileMode: 1, uid: 1, gid: 1 }],
    cgroupsPath: '/x',
    sysctl: { 'kernel.shmmax': '1' },
    maskedPaths: ['/a'],
    readonlyPaths: ['/a'],
    rootfsPropagation: 'slave',
    seccomp: {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 1,
      architectures: ['SCMP_ARCH_X86_64'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [
        {
          names: ['read'],
          action: 'SCMP_ACT_ERRNO',
          errnoRet: 2,
          args: [{ index: 0, value: 1, valueTwo: 1, op: 'SCMP_CMP_MASKED_EQ' }],
        },
      ],
    },
    resources: {
      devices: [{ allow: true, type: 'c', major: 1, minor: 1, access: 'r' }],
      memory: { limit: 1 },
      cpu: { shares: 2 },
      pids: { limit: 1 },
      blockIO: {
        weight: 10,
        weightDevice: [{ major: 8, minor: 0, weight: 10, leafWeight: 10 }],
        throttleReadBpsDevice: rate,
        throttleWriteBpsDevice: rate,
        throttleReadIOPSDevice: rate,
        throttleWriteIOPSDevice: rate,
      },
      hugepageLimits: [{ pageSize: '2MB', limit: 1 }],
      network: { classID: 1, priorities: [{ name: 'a', priority: 1 }] },
      rdma: { a: { hcaHandles: 1, hcaObjects: 1 } },
      unified: {},
    },
  },
};

it('reads, refuses or excuses every property', () => {
  const seen = new Set<string>();
  const document: Config = watched(config(everything), seen);
  const options = planOptions();
  const cgroups = hierarchiesV1(`${options.bundle}/v1`, V1_CONTROLLERS);
  const plan = computePlan(document, { ...options, host: { cgroups, cores: 1 } });
  // What is copied as a whole is read when it is written down.
  JSON.stringify(plan);
  const refused = Object.keys(UNSUPPORTED);
  const overlooked = [...leaves(shapeOf(schema))].filter((path) => {
    if (seen.has(path) || path in NO_EFFECT || RUN_BY_LIFECYCLE.test(path)) return false;
    if (path === 'linux.resources.unified{}') return false; // files of v2: cgroups/limits.test.ts
    return !refused.some(
      (row) => path === row || (/^[.[{]/.test(path.slice(row.length)) && path.startsWith(row)),
    );
  });
  expect(overlooked).toEqual([]);
});
