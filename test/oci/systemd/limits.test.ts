import { describe, expect, it } from 'vitest';
import { applyRules, planDeviceRules } from '../../../oci/plan/cgroups/devices.ts';
import type { Resources } from '../../../oci/spec/index.ts';
import { deviceProperties, limitProperties } from '../../../oci/systemd/limits.ts';
import type { Property } from '../../../oci/systemd/property.ts';

const lines = (properties: Property[]) =>
  properties.map(({ name, signature, words }) => `${name} ${signature} ${words.join(' ')}`);

const INFINITY = '18446744073709551615';

const RESOURCES: Resources = {
  memory: { limit: 1000, reservation: 500, swap: 3000 },
  cpu: { shares: 1024, quota: 33_333, period: 100_000, cpus: '0-2,9', mems: '0' },
  pids: { limit: 7 },
  blockIO: { weight: 300 },
};

describe('limits', () => {
  it('of version 1', () => {
    expect(lines(limitProperties(RESOURCES, false))).toEqual([
      'MemoryLimit t 1000',
      'CPUShares t 1024',
      'BlockIOWeight t 300',
      'CPUQuotaPeriodUSec t 100000',
      'CPUQuotaPerSecUSec t 340000',
      'TasksMax t 58',
      'AllowedCPUs ay 2 7 2',
      'AllowedMemoryNodes ay 1 1',
    ]);
  });

  it('of version 2', () => {
    expect(lines(limitProperties(RESOURCES, true))).toEqual([
      'MemoryMax t 1000',
      'MemoryLow t 500',
      'MemorySwapMax t 2000',
      'CPUWeight t 39',
      'CPUQuotaPeriodUSec t 100000',
      'CPUQuotaPerSecUSec t 340000',
      'TasksMax t 58',
      'AllowedCPUs ay 2 7 2',
      'AllowedMemoryNodes ay 1 1',
    ]);
  });

  it('that are none', () => {
    const none = { memory: { limit: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } };
    expect(lines(limitProperties(none, true))).toEqual([
      `MemoryMax t ${INFINITY}`,
      `MemorySwapMax t ${INFINITY}`,
      `CPUQuotaPerSecUSec t ${INFINITY}`,
      `TasksMax t ${INFINITY}`,
    ]);
    expect(limitProperties({}, true)).toEqual([]);
  });

  it('that have no name but their file', () => {
    const unified = {
      'cpu.max': '50000 100000',
      'memory.high': '4096',
      'memory.max': 'max',
      'cpuset.cpus': '1',
      'memory.oom.group': '1',
    };
    expect(lines(limitProperties({ unified }, true))).toEqual([
      'CPUQuotaPeriodUSec t 100000',
      'CPUQuotaPerSecUSec t 500000',
      'MemoryHigh t 4096',
      `MemoryMax t ${INFINITY}`,
      'AllowedCPUs ay 1 2',
    ]);
    expect(limitProperties({ unified }, false)).toEqual([]);
  });

  it.each([['3-1'], ['x'], ['1,,2'], ['0-999999999']])('refuses CPUs %j', (cpus) => {
    expect(() => limitProperties({ cpu: { cpus } }, true)).toThrow(
      `unable to convert ${JSON.stringify(cpus)} to systemd's AllowedCPUs`,
    );
  });
});

describe('devices', () => {
  it('are those that every container has, and what is allowed', () => {
    const devices = [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'b', major: 8, access: 'r' },
      { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' },
    ];
    const [policy, none, allowed] = lines(deviceProperties(planDeviceRules({ devices })));
    expect(policy).toBe('DevicePolicy s strict');
    expect(none).toBe('DeviceAllow a(ss) 0');
    expect(allowed).toContain(' block-8 r ');
    expect(allowed).toContain(' /dev/char/10:229 rw ');
    expect(allowed).toContain(' char-* m ');
    expect(allowed).toContain(' char-136 rwm ');
  });

  it('are left to the rules where all are allowed but some', () => {
    const list = applyRules([
      { allow: true, type: 'a', access: 'rwm' },
      { allow: false, type: 'b', major: 8, access: 'rwm' },
    ]);
    expect(lines(deviceProperties(list))).toEqual(['DevicePolicy s auto', 'DeviceAllow a(ss) 0']);
  });
});
