import { expect, it } from 'vitest';
import { OciError } from '../../../oci/errors.ts';
import { refuseUnsupported, UNSUPPORTED } from '../../../oci/plan/unsupported.ts';
import { config, plan } from './fixture.ts';

const mapping = [{ containerID: 0, hostID: 1000, size: 1 }];
const mount = { destination: '/a', source: '/', options: ['bind'] };
const kernel = { path: '' };
const linux = (properties: object) => ({ linux: properties });
const vm = (properties: object) => ({ vm: { kernel, ...properties } });
const process = (properties: object) => ({ process: properties });

/** Path in the error -> a config that asks for the property. */
const ASKS: Record<string, object> = {
  'process.commandLine': process({ commandLine: 'cmd' }),
  'process.user.username': process({ user: { username: 'me' } }),
  'process.apparmorProfile': process({ apparmorProfile: 'docker-default' }),
  'process.selinuxLabel': process({ selinuxLabel: 'l' }),
  'process.ioPriority': process({ ioPriority: { class: 'IOPRIO_CLASS_IDLE' } }),
  'process.scheduler': process({ scheduler: { policy: 'SCHED_BATCH' } }),
  'process.execCPUAffinity.initial': process({ execCPUAffinity: { initial: '0' } }),
  'process.execCPUAffinity.final': process({ execCPUAffinity: { final: '0' } }),
  'mounts[1].uidMappings': { mounts: [mount, { ...mount, uidMappings: mapping }] },
  'mounts[0].gidMappings': { mounts: [{ ...mount, gidMappings: mapping }] },
  'linux.timeOffsets.boottime.secs': linux({ timeOffsets: { boottime: { secs: -5 } } }),
  'linux.timeOffsets.boottime.nanosecs': linux({ timeOffsets: { boottime: { nanosecs: 5 } } }),
  'linux.timeOffsets.monotonic.secs': linux({ timeOffsets: { monotonic: { secs: 5 } } }),
  'linux.timeOffsets.monotonic.nanosecs': linux({ timeOffsets: { monotonic: { nanosecs: 5 } } }),
  'linux.netDevices': linux({ netDevices: { eth0: {} } }),
  'linux.intelRdt': linux({ intelRdt: { closID: 'c' } }),
  'linux.memoryPolicy': linux({ memoryPolicy: { mode: 'MPOL_BIND', nodes: '0' } }),
  'linux.mountLabel': linux({ mountLabel: 'l' }),
  'linux.personality.flags': linux({ personality: { domain: 'LINUX', flags: ['X'] } }),
  'linux.personality.domain': linux({ personality: { domain: 'LINUX32' } }),
  'vm.hypervisor.path': vm({ hypervisor: { path: '/h' } }),
  'vm.hypervisor.parameters': vm({ hypervisor: { path: '', parameters: ['p'] } }),
  'vm.kernel.path': vm({ kernel: { path: '/k' } }),
  'vm.kernel.parameters': vm({ kernel: { path: '', parameters: ['p'] } }),
  'vm.kernel.initrd': vm({ kernel: { path: '', initrd: '/i' } }),
  'vm.image.path': vm({ image: { path: '/i', format: 'raw' } }),
  'vm.hwConfig.deviceTree': vm({ hwConfig: { deviceTree: '/d' } }),
  'vm.hwConfig.dtdevs': vm({ hwConfig: { dtdevs: ['d'] } }),
  'vm.hwConfig.iomems': vm({ hwConfig: { iomems: [{ firstMFN: 0, nrMFNs: 0 }] } }),
  'vm.hwConfig.irqs': vm({ hwConfig: { irqs: [0] } }),
  windows: { windows: { layerFolders: ['C:\\layer'] } },
  solaris: { solaris: { milestone: 'm' } },
  zos: { zos: { namespaces: [{ type: 'pid' }] } },
  freebsd: { freebsd: { jail: { vnet: 'new' } } },
};

it('has a test for each row', () => {
  const rows = Object.keys(ASKS).map((path) => path.replace(/\[\d+\]/, '[]'));
  expect(rows).toEqual(Object.keys(UNSUPPORTED));
});

it.each(Object.entries(ASKS))('refuses %s by name', (path, sections) => {
  const why = UNSUPPORTED[path.replace(/\[\d+\]/, '[]')];
  const refuse = () => refuseUnsupported(config(sections));
  expect(refuse).toThrow(OciError);
  expect(refuse).toThrow(expect.objectContaining({ code: 'ERR_PINION_UNSUPPORTED' }));
  expect(refuse).toThrow(`config.json: ${path}: ${why}`);
});

it.each([
  [process({ terminal: false, apparmorProfile: '', selinuxLabel: '', commandLine: '' })],
  [process({ user: { username: '' }, consoleSize: { height: 25, width: 80 } })],
  [process({ execCPUAffinity: { initial: '', final: '' }, execCPUAffinity_: null })],
  [{ mounts: [{ ...mount, uidMappings: [], gidMappings: null }] }],
  [linux({ timeOffsets: { boottime: { secs: 0, nanosecs: 0 }, monotonic: {} } })],
  [linux({ netDevices: {}, intelRdt: {}, memoryPolicy: {}, mountLabel: '' })],
  [linux({ memoryPolicy: { mode: 'MPOL_DEFAULT' }, personality: { domain: 'LINUX', flags: [] } })],
  [linux({ seccomp: null, intelRdt: { enableMonitoring: false, closID: '', schemata: [] } })],
  [vm({ hypervisor: { path: '' }, image: { path: '', format: 'raw' }, hwConfig: { irqs: [] } })],
  [{ windows: null, solaris: {}, zos: { devices: [] }, freebsd: { jail: { allow: {} } } }],
])('lets pass what asks for nothing: %j', (sections) => {
  expect(plan(sections as object).id).toBe('c1');
});
