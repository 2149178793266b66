import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cgroupPaths, computePlan, type PlanOptions } from '../../../../oci/plan/index.ts';
import { config, hierarchiesV1, hierarchyV2, planOptions, refusal, temporary } from '../fixture.ts';

const namespaces = [{ type: 'mount' as const }];

function hybrid(root: string) {
  const [devices, memory] = hierarchiesV1(root, ['devices', 'memory']);
  const v2 = hierarchyV2(root, '/');
  if (!devices || !memory) throw new Error('no hierarchies');
  memory.own = join(memory.mountpoint, 'own/parent');
  return [devices, memory, v2];
}

function planFor(cgroupsPath: string | undefined, options: Partial<PlanOptions>) {
  const linux = cgroupsPath === undefined ? { namespaces } : { namespaces, cgroupsPath };
  return computePlan(config({ linux }), planOptions(options));
}

describe('the directories of a hybrid host', () => {
  it.each([
    [undefined, ['devices/c1', 'memory/own/parent/c1', 'v2/c1']],
    ['', ['devices/c1', 'memory/own/parent/c1', 'v2/c1']],
    ['a/b', ['devices/a/b', 'memory/own/parent/a/b', 'v2/a/b']],
    ['/a/b', ['devices/a/b', 'memory/a/b', 'v2/a/b']],
    ['../../../a', ['devices/a', 'memory/own/parent/a', 'v2/a']],
    ['/../../a/../b/', ['devices/b', 'memory/b', 'v2/b']],
    ['a/../../b', ['devices/b', 'memory/own/parent/b', 'v2/b']],
  ])('%j', (path, expected) => {
    const root = temporary();
    const { cgroup } = planFor(path, { host: { cgroups: hybrid(root), cores: 1 } });
    expect(cgroup?.join.map((directory) => relative(root, directory))).toEqual(expected);
    expect(cgroup?.deviceFilter).toBeUndefined();
  });

  it('are made parents first, each once', () => {
    const root = temporary();
    const { cgroup } = planFor('/a/b', { host: { cgroups: hybrid(root), cores: 1 } });
    expect(cgroup?.create.map((directory) => relative(root, directory))).toEqual([
      'devices/a',
      'devices/a/b',
      'memory/a',
      'memory/a/b',
      'v2/a',
      'v2/a/b',
    ]);
  });
});

describe('the directory of a v2 host', () => {
  it.each([
    [undefined, '/user/session', 'v2/user/c1'],
    ['a/b', '/user/session', 'v2/user/a/b'],
    ['/a/b', '/user/session', 'v2/a/b'],
    ['a', '/', 'v2/a'],
  ])('%j below %s', (path, own, expected) => {
    const root = temporary();
    const host = { cgroups: [hierarchyV2(root, own)], cores: 1 };
    const { cgroup } = planFor(path, { host });
    expect(cgroup?.join.map((directory) => relative(root, directory))).toEqual([expected]);
    expect(cgroup?.deviceFilter).toMatchObject({ directory: join(root, expected) });
    expect(cgroup?.deviceFilter?.rules[0]).toEqual({ allow: false, type: 'a', access: 'rwm' });
  });

  it('has every controller switched on in every parent, if they can be', () => {
    const root = temporary();
    const host = { cgroups: [hierarchyV2(root)], cores: 1 };
    const { cgroup } = planFor('/a/b', { host });
    const writes = (cgroup?.writes ?? []).filter(({ path }) => path.endsWith('subtree_control'));
    const parents = [...new Set(writes.map(({ path }) => relative(root, path)))];
    expect(parents).toEqual(['v2/cgroup.subtree_control', 'v2/a/cgroup.subtree_control']);
    expect(
      writes
        .slice(0, 7)
        .map(({ value }) => value)
        .join(' '),
    ).toBe('+cpuset +cpu +io +memory +hugetlb +pids +rdma');
    expect(writes.every(({ optional }) => optional)).toBe(true);
  });
});

describe('cpusets of v1', () => {
  const cpuset = (cgroupsPath: string, prepare: (mountpoint: string) => void) => {
    const root = temporary();
    const cgroups = hierarchiesV1(root, ['devices', 'cpuset']);
    const mountpoint = join(root, 'cpuset');
    writeFileSync(join(mountpoint, 'cpuset.cpus'), '0-3\n');
    writeFileSync(join(mountpoint, 'cpuset.mems'), '0\n');
    prepare(mountpoint);
    const { cgroup } = planFor(cgroupsPath, { host: { cgroups, cores: 4 } });
    return (cgroup?.writes ?? [])
      .filter(({ path }) => path.startsWith(mountpoint))
      .map(({ path, value }) => `${relative(mountpoint, path)} = ${value}`);
  };

  it('are inherited all the way down', () => {
    expect(cpuset('/a/b', () => {})).toEqual([
      'a/cpuset.cpus = 0-3',
      'a/b/cpuset.cpus = 0-3',
      'a/cpuset.mems = 0',
      'a/b/cpuset.mems = 0',
    ]);
  });

  it('are kept where they are set', () => {
    const prepare = (mountpoint: string) => {
      mkdirSync(join(mountpoint, 'a'));
      writeFileSync(join(mountpoint, 'a/cpuset.cpus'), '2\n');
      writeFileSync(join(mountpoint, 'a/cpuset.mems'), '\n');
    };
    expect(cpuset('/a/b', prepare)).toEqual([
      'a/b/cpuset.cpus = 2',
      'a/cpuset.mems = 0',
      'a/b/cpuset.mems = 0',
    ]);
  });
});

it.each(['/', '.', '..', '/..', '//', 'a/..'])('refuses %j, which is no group', (cgroupsPath) => {
  expect(refusal({ linux: { namespaces, cgroupsPath } })).toMatch(
    /^config\.json: linux\.cgroupsPath: /,
  );
});

it('refuses a path of a million levels', () => {
  const cgroupsPath = '/a'.repeat(1_000_000);
  expect(refusal({ linux: { namespaces, cgroupsPath } })).toBe(
    'config.json: linux.cgroupsPath: more than 64 levels deep',
  );
});

it('of the systemd driver are those of the unit, in every hierarchy', () => {
  const root = temporary();
  const options = (manager: string) => ({
    host: { cgroups: hybrid(root), cores: 1 },
    systemd: { root: manager, user: false },
  });
  const joined = (path: string, manager = '/') =>
    planFor(path, options(manager)).cgroup?.join.map((directory) => relative(root, directory));
  const web = 'machine.slice/machine-a.slice/podman-web.scope';
  expect(joined('machine-a.slice:podman:web')).toEqual([
    `devices/${web}`,
    `memory/${web}`,
    `v2/${web}`,
  ]);
  expect(joined(':p:n', '/user.slice/manager')).toContain(
    'v2/user.slice/manager/system.slice/p-n.scope',
  );
  expect(joined('')).toContain('devices/system.slice/runc-c1.scope');
});

it('without the systemd driver a path of its form is a path', () => {
  const root = temporary();
  const { cgroup } = planFor('/a.slice:b:c', { host: { cgroups: hybrid(root), cores: 1 } });
  expect(cgroup?.join.map((directory) => relative(root, directory))).toContain('v2/a.slice:b:c');
});

it.each([
  ['cgroup.procs', '12\n13\n', "container's cgroup is not empty: 2 process(es) found"],
  ['freezer.state', 'FROZEN\n', "container's cgroup unexpectedly frozen"],
  ['cgroup.freeze', '1\n', "container's cgroup unexpectedly frozen"],
])('refuses a group with %s', (file, text, message) => {
  const root = temporary();
  const cgroups = hierarchiesV1(root, ['devices']);
  mkdirSync(join(root, 'devices/c1'));
  writeFileSync(join(root, 'devices/c1', file), text);
  expect(refusal({}, { host: { cgroups, cores: 1 } })).toBe(message);
});

it('lists what is to be removed', () => {
  const root = temporary();
  const plan = planFor('/a/b', { host: { cgroups: hybrid(root), cores: 1 } });
  expect(cgroupPaths(plan).map((directory) => relative(root, directory))).toEqual([
    'devices/a/b',
    'memory/a/b',
    'v2/a/b',
  ]);
});
