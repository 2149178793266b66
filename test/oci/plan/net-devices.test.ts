import { describe, expect, it } from 'vitest';
import { plan, refusal } from './fixture.ts';

const NETWORK = { namespaces: [{ type: 'mount' as const }, { type: 'network' as const }] };

describe('network devices', () => {
  it('keep their names unless they get others', () => {
    const netDevices = { eth0: {}, eth1: { name: '' }, eth2: { name: 'net' } };
    expect(plan({ linux: { ...NETWORK, netDevices } }).netDevices).toEqual([
      { host: 'eth0', container: 'eth0' },
      { host: 'eth1', container: 'eth1' },
      { host: 'eth2', container: 'net' },
    ]);
  });

  it('need a network namespace', () => {
    const namespaces = [{ type: 'mount' as const }];
    expect(refusal({ linux: { namespaces, netDevices: { eth0: {} } } })).toContain(
      'unable to move network devices without a private NET namespace',
    );
    expect(plan({ linux: { namespaces, netDevices: {} } }).netDevices).toEqual([]);
  });

  it.each([
    ['0123456789abcdef', {}],
    ['..', {}],
    ['eth0', { name: 'a/b' }],
    ['eth0', { name: 'a b' }],
    ['a:b', {}],
  ])('have a name that Linux allows: %s %o', (host, device) => {
    expect(refusal({ linux: { ...NETWORK, netDevices: { [host]: device } } })).toContain(
      `linux.netDevices.${host}: invalid network device name`,
    );
  });

  it('have a name each', () => {
    const netDevices = { eth0: {}, eth1: { name: 'eth0' } };
    expect(refusal({ linux: { ...NETWORK, netDevices } })).toContain(
      'linux.netDevices.eth1: eth0 is the name of two devices',
    );
  });
});
