import { expect, it } from 'vitest';
import { OciError } from '../../../oci/errors.ts';
import { refuseUnsupported, UNSUPPORTED } from '../../../oci/plan/unsupported.ts';
import { config, plan, refusal } from './fixture.ts';

const mount = { destination: '/a', source: '/', options: ['bind'] };
const kernel = { path: '' };
const linux = (properties: object) => ({ linux: properties });
const vm = (properties: object) => ({ vm: { kernel, ...properties } });
const process = (properties: object) => ({ process: properties });

/** Path in the error -> a config that asks for the property. */
const ASKS: Record<string, object> = {
  'process.commandLine': process({ commandLine: 'cmd' }),
  'process.user.username': process({ user: { username: 'me' } }),
  'linux.intelRdt': linux({ intelRdt: { closID: 'c' } }),
  'linux.mountLabel': linux({ mountLabel: 'l' }),
  'linux.personality.flags': linux({ personality: { domain: 'LINUX', flags: ['X'] } }),
  'linux.personality.domain': linux({ personality: { domain: 'LINUX32' } }),
  'vm.hypervisor.path': vm({ hypervisor: { path: '/h' } }),
  'vm.hypervisor.parameters': vm({ hypervisor: { path: '', parameters: ['p'] } }),
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
  const rows = ['process.selinuxLabel', ...Object.keys(ASKS)].map((path) =>
    path.replace(/\[\d+\]/, '[]'),
  );
  expect(rows.sort()).toEqual(Object.keys(UNSUPPORTED).sort());
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

it('refuses SELinux as runc does where the host has none', () => {
  const message = 'selinux label is specified in config, but selinux is disabled or not supported';
  expect(refusal(process({ selinuxLabel: 'l' }))).toBe(message);
});
