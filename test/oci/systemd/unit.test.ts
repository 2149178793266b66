import { expect, it } from 'vitest';
import { unitOf } from '../../../oci/systemd/unit.ts';

it.each([
  ['system.slice:docker:abc', 'docker-abc.scope', '/system.slice/docker-abc.scope'],
  ['a-b-c.slice:cri:x', 'cri-x.scope', '/a.slice/a-b.slice/a-b-c.slice/cri-x.scope'],
  ['-.slice:p:n', 'p-n.scope', '/p-n.scope'],
  [':p:n', 'p-n.scope', '/system.slice/p-n.scope'],
  ['', 'runc-c1.scope', '/system.slice/runc-c1.scope'],
  [undefined, 'runc-c1.scope', '/system.slice/runc-c1.scope'],
  ['a.slice::a-pod.slice', 'a-pod.slice', '/a.slice/a-pod.slice'],
])('%j', (cgroupsPath, name, path) => {
  expect(unitOf(cgroupsPath, 'c1')).toMatchObject({ name, path });
});

it("of a user's manager is in another slice", () => {
  expect(unitOf(':p:n', 'c1', true).path).toBe('/user.slice/p-n.scope');
});

const FORM = 'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got';

it.each([
  ['/docker/abc', `${FORM} "/docker/abc" instead`],
  ['a:b', `${FORM} "a:b" instead`],
  ['a.slice:b:c:d', `${FORM} "a.slice:b:c:d" instead`],
  ['system:p:n', 'invalid slice name: system'],
  ['.slice:p:n', 'invalid slice name: .slice'],
  ['a/b.slice:p:n', 'invalid slice name: a/b.slice'],
  ['a--b.slice:p:n', 'invalid slice name: a--b.slice'],
  ['-a.slice:p:n', 'invalid slice name: -a.slice'],
  ['a.slice:p:../../n', 'invalid unit name: p-../../n.scope'],
])('refuses %j', (cgroupsPath, message) => {
  expect(() => unitOf(cgroupsPath, 'c1')).toThrow(message);
});
