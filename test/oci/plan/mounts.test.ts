import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MS } from '../../../oci/plan/constants.ts';
import { computePlan } from '../../../oci/plan/index.ts';
import { config, plan, planOptions, refusal } from './fixture.ts';

const MOUNT_NAMESPACE = { namespaces: [{ type: 'mount' as const }] };

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
    expect(of('a\nb')).toBe(`invalid rootfs: stat ${bundle}/a\\nb: no such file or directory`);
    expect(of('x'.repeat(300))).toMatch(/: file name too long$/);
    expect(of('link')).toBe('invalid rootfs: not an absolute path, or a symlink');
  });

  it('is not private without pivot_root', () => {
    const linux = { ...MOUNT_NAMESPACE, rootfsPropagation: 'private' as const };
    expect(refusal({ linux }, { noPivot: true })).toMatch(/not safe without pivot_root/);
  });
});

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
  ])('%j', (mount, message) => {
    expect(refusal({ mounts: [mount] })).toBe(`config.json: ${message}`);
  });
});

describe('devices', () => {
  it('are the default ones, once each, and those of the config', () => {
    const devices = [
      { path: '/dev/null', type: 'c', major: 1, minor: 3, fileMode: 0o600, uid: 5, gid: 6 },
      { path: '/dev/loop0', type: 'b', major: 7, minor: 0, fileMode: 0o060640 },
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
      { path: '/dev/loop0', type: 'b', major: 7, minor: 0, mode: 0o640, uid: 0, gid: 0 },
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

it('takes absolute masked and read-only paths only', () => {
  const linux = { ...MOUNT_NAMESPACE, maskedPaths: ['/proc/../proc/kcore'], readonlyPaths: ['/a'] };
  expect(plan({ linux })).toMatchObject({ maskedPaths: ['/proc/kcore'], readonlyPaths: ['/a'] });
  expect(refusal({ linux: { ...MOUNT_NAMESPACE, maskedPaths: ['x'] } })).toMatch(
    /maskedPaths\[0\]/,
  );
});

describe('idmapped mounts', () => {
  const bind = { destination: '/a', source: '/', options: ['bind'] };
  const map = [{ containerID: 0, hostID: 1000, size: 1 }];
  const both = { uidMappings: map, gidMappings: map };
  const own = { namespaces: [...MOUNT_NAMESPACE.namespaces, { type: 'user' as const }], ...both };
  const of = (mount: object, linux: object = {}) =>
    plan({ mounts: [{ ...bind, ...mount }], linux: { ...MOUNT_NAMESPACE, ...linux } }).mounts[0]
      ?.idMap;
  const refused = (mount: object) => refusal({ mounts: [{ ...bind, ...mount }] });

  it('have mappings of their own, or those of the container', () => {
    expect(of({})).toBeUndefined();
    expect(of(both)).toEqual({ ...both, recursive: false });
    expect(of({ ...both, options: ['rbind', 'ridmap'] })).toEqual({ ...both, recursive: true });
    expect(of({ options: ['bind', 'idmap'] }, own)).toEqual({ ...both, recursive: false });
  });

  it('need both mappings, and are bind mounts', () => {
    expect(refused({ uidMappings: map })).toContain(
      'mounts[0]: both uidMappings and gidMappings must be specified',
    );
    expect(refused({ options: ['bind', 'idmap'] })).toContain('mounts[0].options: idmap needs');
    expect(refused({ type: 'tmpfs', options: [], ...both })).toContain(
      'mounts[0]: only a bind mount can be idmapped',
    );
  });
});
