import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { LaunchPlan, launchPlanSchema } from '../../../oci/launch-plan.ts';
import { CAPABILITIES } from '../../../oci/plan/capabilities.ts';
import { MS } from '../../../oci/plan/constants.ts';
import { computePlan, readHost } from '../../../oci/plan/index.ts';
import { RLIMITS } from '../../../oci/plan/process.ts';
import { config, plan, planOptions, refusal, temporary } from './fixture.ts';

const CHECKOUT = join(import.meta.dirname, '../../..');

describe('the plan as a document', () => {
  const validate = new Ajv().compile(LaunchPlan);

  it('has the schema that stands beside the monitor', () => {
    const written = readFileSync(join(CHECKOUT, 'vmm/launch-plan.schema.json'), 'utf8');
    expect(written, 'run: node oci/plan/generate-schema.ts').toBe(launchPlanSchema());
  });

  it.each([
    [{}],
    [{ linux: { namespaces: [{ type: 'mount' }], resources: { memory: { limit: 1 << 30 } } } }],
    [
      {
        hostname: 'h',
        hooks: { startContainer: [{ path: '/h', timeout: 2 }], prestart: [{ path: '/h' }] },
        linux: {
          namespaces: [{ type: 'mount' }, { type: 'uts' }, { type: 'user' }],
          uidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
          gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }],
          devices: [{ path: '/dev/f', type: 'p' }],
        },
      },
    ],
  ] as const)('obeys it: %j', (sections) => {
    const document: unknown = JSON.parse(JSON.stringify(plan(sections as object)));
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  });

  it("obeys it on this host, for the shape of runc's own default", () => {
    const bundle = temporary();
    mkdirSync(join(bundle, 'rootfs'));
    const options = planOptions({ bundle, host: readHost(), id: 'pinion-plan-test' });
    const document: unknown = JSON.parse(JSON.stringify(computePlan(config(), options)));
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  });
});

describe('namespaces', () => {
  it('keeps their order and paths', () => {
    const namespaces = [{ type: 'pid' }, { type: 'mount' }, { type: 'network', path: '/run/n' }];
    expect(plan({ linux: { namespaces } as object }).namespaces).toEqual(namespaces);
  });

  it.each([
    [[{ type: 'mount' }, { type: 'mount' }], 'malformed spec file: duplicated ns "mount"'],
    [
      [{ type: 'mount' }, { type: 'ipc', path: 'x' }],
      'config.json: linux.namespaces[1].path: x is not an absolute path',
    ],
    [
      [{ type: 'pid' }],
      'config.json: linux.namespaces: a container without a mount namespace of its own is not supported',
    ],
    [[{ type: 'mount' }, { type: 'user' }], 'user namespaces enabled, but no user mappings found'],
  ])('%j', (namespaces, message) => {
    expect(refusal({ linux: { namespaces } as object })).toBe(message);
  });

  it('wants a user namespace for mappings', () => {
    const uidMappings = [{ containerID: 0, hostID: 0, size: 1 }];
    expect(refusal({ linux: { uidMappings } })).toBe(
      "user namespace mappings specified, but user namespace isn't enabled in the config",
    );
  });

  it.each(['hostname', 'domainname'] as const)('wants a UTS namespace for a %s', (name) => {
    expect(refusal({ [name]: 'x' })).toBe(`unable to set ${name} without a private UTS namespace`);
    const namespaces = [{ type: 'mount' as const }, { type: 'uts' as const }];
    expect(plan({ [name]: 'x', linux: { namespaces } })[name]).toBe('x');
    expect(refusal({ [name]: 'x'.repeat(65), linux: { namespaces } })).toMatch(/longer than 64/);
  });
});

describe('the root file system', () => {
  it('is relative to the bundle', () => {
    const options = planOptions();
    expect(
      computePlan(config({ root: { path: './rootfs/', readonly: true } }), options).rootfs,
    ).toEqual({
      path: join(options.bundle, 'rootfs'),
      readonly: true,
      propagation: MS.SLAVE | MS.REC,
      noPivot: false,
    });
  });

  it.each([
    ['private', MS.PRIVATE | MS.REC],
    ['rshared', MS.SHARED | MS.REC],
    ['unbindable', MS.UNBINDABLE | MS.REC],
  ] as const)('propagates %s', (rootfsPropagation, flags) => {
    expect(plan({ linux: { ...MOUNT_NAMESPACE, rootfsPropagation } }).rootfs.propagation).toBe(
      flags,
    );
  });

  it('is refused without one', () => {
    const { root: _, ...rootless } = config();
    expect(() => computePlan(rootless, planOptions())).toThrow('root must be specified');
  });

  it('must be there, a directory, and no link', () => {
    const bundle = planOptions().bundle;
    writeFileSync(join(bundle, 'file'), '');
    symlinkSync('rootfs', join(bundle, 'link'));
    const of = (path: string) => refusal({ root: { path } }, { bundle });
    expect(of('none')).toBe(`invalid rootfs: stat ${bundle}/none: no such file or directory`);
    expect(of('file')).toBe(`invalid rootfs: ${bundle}/file: not a directory`);
    expect(of('file/x')).toBe(`invalid rootfs: stat ${bundle}/file/x: not a directory`);
    expect(of('link')).toBe('invalid rootfs: not an absolute path, or a symlink');
  });

  it('is not private without pivot_root', () => {
    const linux = { ...MOUNT_NAMESPACE, rootfsPropagation: 'private' as const };
    expect(refusal({ linux }, { noPivot: true })).toMatch(/not safe without pivot_root/);
  });
});

const MOUNT_NAMESPACE = { namespaces: [{ type: 'mount' as const }] };

describe('mounts', () => {
  const of = (mount: object) => plan({ mounts: [mount] } as object).mounts[0];

  it('resolves a bind mount in the bundle, whatever its type', () => {
    const options = planOptions();
    const mounts = [
      { destination: '/a', source: 'src', options: ['bind'] },
      { destination: '/b', source: '/src', type: 'none', options: ['rbind', 'ro'] },
      { destination: '/c', source: '/src', type: 'bind' },
    ];
    expect(computePlan(config({ mounts }), options).mounts).toMatchObject([
      { type: 'bind', source: join(options.bundle, 'src'), flags: MS.BIND },
      { type: 'bind', source: '/src', flags: MS.BIND | MS.REC | MS.RDONLY },
      { type: 'bind', source: '/src', flags: MS.BIND },
    ]);
  });

  it('cleans destinations and takes relative ones from the root', () => {
    expect(of({ destination: '/a/../../b/', type: 'tmpfs' })?.destination).toBe('/b');
    expect(of({ destination: '../x', type: 'tmpfs' })?.destination).toBe('/x');
  });

  it.each([
    [{ destination: '', type: 'tmpfs' }, 'mounts[0].destination: must not be empty'],
    [{ destination: '/a' }, 'mounts[0].type: missing'],
    [{ destination: '/a', options: ['bind'] }, 'mounts[0].source: missing'],
    [
      { destination: '/a', source: '/', options: ['bind', 'idmap'] },
      'mounts[0].options: idmap is not supported yet',
    ],
  ])('%j', (mount, message) => {
    expect(refusal({ mounts: [mount] })).toBe(`config.json: ${message}`);
  });
});

describe('devices', () => {
  it('are the default ones, once each, and those of the config', () => {
    const devices = [
      { path: '/dev/null', type: 'c', major: 1, minor: 3, fileMode: 0o600, uid: 5, gid: 6 },
      { path: '/dev/loop0', type: 'b', major: 7, minor: 0 },
      { path: '/dev/u', type: 'u', major: 9, minor: 9 },
      { path: '/dev/fifo', type: 'p' },
    ];
    const planned = plan({ linux: { ...MOUNT_NAMESPACE, devices } }).devices;
    expect(planned.map(({ path }) => path)).toEqual([
      '/dev/random',
      '/dev/full',
      '/dev/tty',
      '/dev/zero',
      '/dev/urandom',
      ...devices.map(({ path }) => path),
    ]);
    expect(planned.slice(5)).toEqual([
      { path: '/dev/null', type: 'c', major: 1, minor: 3, mode: 0o600, uid: 5, gid: 6 },
      { path: '/dev/loop0', type: 'b', major: 7, minor: 0, mode: 0o666, uid: 0, gid: 0 },
      { path: '/dev/u', type: 'c', major: 9, minor: 9, mode: 0o666, uid: 0, gid: 0 },
      { path: '/dev/fifo', type: 'p', major: 0, minor: 0, mode: 0o666, uid: 0, gid: 0 },
    ]);
  });

  it('have links, ptmx among them', () => {
    expect(plan().devLinks).toMatchObject({ '/dev/fd': '/proc/self/fd', '/dev/ptmx': 'pts/ptmx' });
  });

  it('are none in a /dev of the host', () => {
    const mounts = [{ destination: '/dev/', source: '/dev', options: ['rbind'] }];
    expect(plan({ mounts })).toMatchObject({ devices: [], devLinks: {} });
  });

  it.each([
    [{ path: 'x', type: 'c', major: 1, minor: 1 }, 'path: must be an absolute path'],
    [{ path: '/x', type: 'c', minor: 1 }, 'major: missing'],
    [{ path: '/x', type: 'b', major: 1 }, 'minor: missing'],
    [
      { path: '/x', type: 'b', major: -1, minor: 1 },
      'major: expected an integer from 0 to 4294967295, found -1',
    ],
  ])('%j', (device, message) => {
    const linux = { ...MOUNT_NAMESPACE, devices: [device] };
    expect(refusal({ linux })).toBe(`config.json: linux.devices[0].${message}`);
  });
});

describe('the process', () => {
  it('has defaults', () => {
    expect(plan().process).toEqual({
      args: ['true'],
      env: [],
      cwd: '/',
      uid: 0,
      gid: 0,
      additionalGids: [],
      rlimits: [],
      noNewPrivileges: false,
    });
  });

  it('has what is asked for', () => {
    const capabilities = { bounding: ['CAP_KILL', 'CAP_KILL'], ambient: [] };
    const process = {
      user: { uid: 1, gid: 2, umask: 0o22, additionalGids: [3] },
      env: ['A=b'],
      cwd: '/tmp',
      noNewPrivileges: true,
      oomScoreAdj: -5,
      capabilities,
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 18446744073709551615n }],
    };
    expect(plan({ process }).process).toEqual({
      args: ['true'],
      env: ['A=b'],
      cwd: '/tmp',
      uid: 1,
      gid: 2,
      additionalGids: [3],
      umask: 0o22,
      noNewPrivileges: true,
      oomScoreAdj: -5,
      capabilities: {
        bounding: ['CAP_KILL'],
        effective: [],
        inheritable: [],
        permitted: [],
        ambient: [],
      },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: '1024', hard: '18446744073709551615' }],
    });
  });

  const rlimit = (type: string, soft = 1, hard = 1) => ({ type, soft, hard });
  it.each([
    [
      { capabilities: { effective: ['CAP_KILL', 'CAP_FLY'] } },
      'process.capabilities.effective[1]: unknown capability "CAP_FLY"',
    ],
    [{ rlimits: [rlimit('RLIMIT_FLY')] }, 'process.rlimits[0].type: unknown limit RLIMIT_FLY'],
    [
      { rlimits: [rlimit('RLIMIT_AS'), rlimit('RLIMIT_AS')] },
      'process.rlimits[1].type: RLIMIT_AS is listed twice',
    ],
    [{ rlimits: [rlimit('RLIMIT_AS', 2)] }, 'process.rlimits[0].soft: larger than the hard limit'],
    [{ oomScoreAdj: 1001 }, 'process.oomScoreAdj: expected -1000 to 1000, found 1001'],
  ])('%j', (process, message) => {
    expect(refusal({ process })).toBe(`config.json: ${message}`);
  });

  it("knows the kernel header's capabilities and limits", () => {
    const capability = readFileSync('/usr/include/linux/capability.h', 'utf8');
    const defined = [...capability.matchAll(/#define (CAP_[A-Z_]+)\s+(\d+)$/gm)]
      .filter(([, name]) => name !== 'CAP_LAST_CAP')
      .map(([, name]) => name);
    expect(CAPABILITIES).toEqual(defined);
    const resource = readFileSync('/usr/include/asm-generic/resource.h', 'utf8');
    const limits = [...resource.matchAll(/define (RLIMIT_[A-Z]+)\s+\d+/g)].map(([, name]) => name);
    expect([...RLIMITS].sort()).toEqual(limits.sort());
  });
});

describe('sysctl', () => {
  const all = ['mount', 'ipc', 'network', 'uts'].map((type) => ({ type }));
  const of = (name: string, namespaces: object[] = all) =>
    ({ linux: { namespaces, sysctl: { [name]: '1' } } }) as object;

  it.each([
    ['net.core.somaxconn', 'net.core.somaxconn'],
    ['net/ipv4/conf/eth0.1/forwarding', 'net.ipv4.conf.eth0/1.forwarding'],
    ['kernel.shmmax', 'kernel.shmmax'],
    ['fs.mqueue.msg_max', 'fs.mqueue.msg_max'],
    ['kernel.domainname', 'kernel.domainname'],
  ])('sets %s', (name, dotted) => {
    expect(plan(of(name)).sysctl).toEqual({ [dotted]: '1' });
  });

  it.each([
    ['kernel.shmmax', [{ type: 'mount' }], 'is not allowed in the hosts ipc namespace'],
    ['net.core.somaxconn', [{ type: 'mount' }], 'not allowed in host network namespace'],
    [
      'net.core.somaxconn',
      [{ type: 'mount' }, { type: 'network', path: '/proc/self/ns/net' }],
      'not allowed in host network namespace',
    ],
    ['kernel.hostname', all, 'is not allowed as it conflicts with the OCI "hostname" field'],
    ['kernel.domainname', [{ type: 'mount' }], 'is not in a separate kernel namespace'],
    ['kernel.panic', all, 'is not in a separate kernel namespace'],
    ['vm.swappiness', all, 'is not in a separate kernel namespace'],
    ['net.//.//.kernel.panic', all, 'is not a valid name'],
    ['net..x', all, 'is not a valid name'],
    ['net./.x', all, 'is not a valid name'],
    ['', all, 'is not a valid name'],
    ['__proto__', all, 'is not in a separate kernel namespace'],
  ])('refuses %s', (name, namespaces, why) => {
    expect(refusal(of(name, namespaces))).toBe(`sysctl "${name}" ${why}`);
  });
});

describe('hooks', () => {
  const hook = [{ path: '/h' }];
  it.each([
    [{}, []],
    [{ poststart: hook, poststop: hook, startContainer: hook }, []],
    [{ prestart: hook }, ['createRuntime']],
    [{ createRuntime: hook }, ['createRuntime']],
    [{ createContainer: hook, prestart: [] }, ['createContainer']],
    [{ createContainer: hook, prestart: hook }, ['createRuntime', 'createContainer']],
  ])('pauses for %j', (hooks, pauses) => {
    expect(plan({ hooks }).pauses).toEqual(pauses);
  });

  it('of startContainer run as guests with the state', () => {
    const hooks = {
      startContainer: [{ path: '/h', args: ['h', 'x'], env: ['A=b'], timeout: 3 }, { path: '/i' }],
    };
    const options = planOptions();
    const planned = computePlan(
      config({ hooks, annotations: { k: 'v' } }),
      options,
    ).startContainerHooks;
    expect(planned).toMatchObject([
      { path: '/h', args: ['h', 'x'], env: ['A=b'], timeout: 3 },
      { path: '/i', args: ['/i'], env: [] },
    ]);
    expect(JSON.parse(planned[0]?.state ?? '')).toEqual({
      ociVersion: '1.3.0',
      id: 'c1',
      status: 'created',
      pid: 1,
      bundle: options.bundle,
      annotations: { k: 'v' },
    });
  });

  it('have absolute paths', () => {
    expect(refusal({ hooks: { poststop: [{ path: '/a' }, { path: 'b' }] } })).toBe(
      'config.json: hooks.poststop[1].path: must be an absolute path',
    );
  });
});

describe('the machine', () => {
  it.each([
    [{}, 4],
    [{ quota: 150_000 }, 2],
    [{ quota: 10_000, period: 100_000 }, 1],
    [{ quota: -1 }, 4],
    [{ quota: 2_000_000 }, 4],
    [{ cpus: '1' }, 1],
    [{ cpus: '0-1,3' }, 3],
    [{ cpus: '0-2', quota: 100_000 }, 1],
  ])('has as many vCPUs as %j allows of 4', (cpu, vcpus) => {
    expect(plan({ linux: { ...MOUNT_NAMESPACE, resources: { cpu } } }).machine.vcpus).toBe(vcpus);
  });

  const vm = (hwConfig: object) => ({ vm: { kernel: { path: '' }, hwConfig } });
  it('has the vCPUs and memory of vm.hwConfig', () => {
    expect(plan(vm({ vcpus: 3, memory: 1 << 28 })).machine).toMatchObject({
      vcpus: 3,
      memoryLimit: 1 << 28,
    });
    expect(refusal(vm({ vcpus: 5 }))).toBe(
      'config.json: vm.hwConfig.vcpus: 5 are more than the 4 of the host',
    );
  });

  it.each([
    [0, undefined],
    [-1, undefined],
    [1 << 30, 1 << 30],
    [9223372036854775807n, undefined],
  ])('caps its memory: %s', (limit, memoryLimit) => {
    const linux = { ...MOUNT_NAMESPACE, resources: { memory: { limit } } };
    expect(plan({ linux }).machine.memoryLimit).toBe(memoryLimit);
  });
});

it('takes absolute masked and read-only paths only', () => {
  const linux = { ...MOUNT_NAMESPACE, maskedPaths: ['/proc/../proc/kcore'], readonlyPaths: ['/a'] };
  expect(plan({ linux })).toMatchObject({ maskedPaths: ['/proc/kcore'], readonlyPaths: ['/a'] });
  expect(refusal({ linux: { ...MOUNT_NAMESPACE, maskedPaths: ['x'] } })).toMatch(
    /maskedPaths\[0\]/,
  );
});
