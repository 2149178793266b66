import { describe, expect, it } from 'vitest';
import { plan, refusal } from './fixture.ts';

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
