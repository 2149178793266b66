import { expect, it } from 'vitest';
import { parseHierarchies } from '../../../../oci/plan/cgroups/hierarchies.ts';

const HYBRID = `22 1 0:20 / /proc rw - proc proc rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
44 31 0:39 / /sys/fs/cgroup/other rw,relatime - cgroup cgroup rw,name=other
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;

it('reads a hybrid host', () => {
  const membership = `5:name=other:/x
4:name=systemd:/init.scope
3:pids:/not-mounted
2:memory:/a/b
1:cpu,cpuacct:/
0::/init.scope
`;
  expect(parseHierarchies(HYBRID, membership)).toEqual([
    {
      version: 1,
      controllers: ['name=systemd'],
      mountpoint: '/sys/fs/cgroup/systemd',
      own: '/sys/fs/cgroup/systemd/init.scope',
    },
    {
      version: 1,
      controllers: ['memory'],
      mountpoint: '/sys/fs/cgroup/memory',
      own: '/sys/fs/cgroup/memory/a/b',
    },
    {
      version: 1,
      controllers: ['cpu', 'cpuacct'],
      mountpoint: '/sys/fs/cgroup/cpu,cpuacct',
      own: '/sys/fs/cgroup/cpu,cpuacct',
    },
    {
      version: 2,
      controllers: [],
      mountpoint: '/sys/fs/cgroup/unified',
      own: '/sys/fs/cgroup/unified/init.scope',
    },
  ]);
});

it('reads a host of v2 alone, with a space in its mount point', () => {
  const mountinfo = '30 1 0:26 / /sys/fs/c\\040g rw - cgroup2 cgroup2 rw\n';
  expect(parseHierarchies(mountinfo, '0::/user.slice\n')).toEqual([
    { version: 2, controllers: [], mountpoint: '/sys/fs/c g', own: '/sys/fs/c g/user.slice' },
  ]);
});

it.each([
  ['/docker/x', '/docker/x', '/sys/fs/cgroup/memory'],
  ['/docker/x', '/docker/x/sub', '/sys/fs/cgroup/memory/sub'],
  // Nothing of the mount shows the own group: never lead out of it.
  ['/docker/x', '/', '/sys/fs/cgroup/memory'],
  ['/docker/x', '/elsewhere', '/sys/fs/cgroup/memory'],
])('sees through a mount of %s', (root, path, own) => {
  const mountinfo = `34 31 0:31 ${root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n`;
  expect(parseHierarchies(mountinfo, `4:memory:${path}\n`)[0]?.own).toBe(own);
});

it('takes the first of several mounts, and gives nothing for garbage', () => {
  const twice = `${HYBRID}99 1 0:31 / /elsewhere rw - cgroup cgroup rw,memory\n`;
  expect(parseHierarchies(twice, '2:memory:/')[0]?.mountpoint).toBe('/sys/fs/cgroup/memory');
  expect(parseHierarchies('garbage\n- - -\n', 'x\n::\n0:cpu\n')).toEqual([]);
});
