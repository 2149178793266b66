/** Containers that share namespaces with the host: what runc runs and refuses, in its words. */
import { expect, test } from 'vitest';
import type { BundleConfig } from '../../bundle.ts';
import { runBeside } from './beside-runc.ts';

const ALL = ['pid', 'network', 'ipc', 'uts', 'mount'];
const without = (...kinds: string[]) => ALL.filter((kind) => !kinds.includes(kind));

const ARGS = ['/bin/sh', '-c', 'cat /proc/sys/kernel/hostname; echo $?; exit 3'];

async function both(namespaces: string[], edit: (config: BundleConfig) => void) {
  return await runBeside(ARGS, (config) => {
    config.linux.namespaces = namespaces.map((type) => ({ type }));
    if (!namespaces.includes('uts')) delete config.hostname;
    edit(config);
  });
}

const shared: [string[], (config: BundleConfig) => void][] = [
  ...ALL.slice(0, -1).map((kind): [string[], () => void] => [without(kind), () => {}]),
  [['mount'], () => {}],
];

test.each(shared)('%j are enough', async (namespaces, edit) => {
  const { ours, theirs } = await both(namespaces, edit);
  expect(theirs).toMatchObject({ status: 3, stderr: '' });
  expect(ours).toEqual(theirs);
});

const refused: [string[], string, (config: BundleConfig) => void][] = [
  [without('uts'), 'hostname', (config) => Object.assign(config, { hostname: 'h' })],
  [without('mount'), 'maskedPaths', ({ linux }) => Object.assign(linux, { maskedPaths: ['/a'] })],
  [
    without('mount'),
    'readonlyPaths',
    ({ linux }) => Object.assign(linux, { readonlyPaths: ['/a'] }),
  ],
  ...(
    [
      ['network', 'net.ipv4.ip_forward'],
      ['ipc', 'kernel.shmmax'],
      ['uts', 'kernel.domainname'],
    ] as const
  ).map(([kind, name]): [string[], string, (config: BundleConfig) => void] => [
    without(kind),
    name,
    ({ linux }) => Object.assign(linux, { sysctl: { [name]: '1' } }),
  ]),
];

test.each(refused)('%j are not enough for %s', async (namespaces, _, edit) => {
  const { ours, theirs } = await both(namespaces, edit);
  expect(theirs.status).toBe(1);
  expect(ours).toEqual(theirs);
});
