import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MOUNT_ATTR, MS } from '../../../oci/plan/constants.ts';
import { MOUNT_OPTIONS, parseMountOptions } from '../../../oci/plan/mount-options.ts';

const NONE = {
  flags: 0,
  propagation: [],
  recursiveSet: 0,
  recursiveClear: 0,
  copyUp: false,
  data: '',
  idMap: undefined,
};

describe('options', () => {
  it.each([
    [[], {}],
    [['defaults'], {}],
    [['ro', 'nosuid', 'nodev', 'noexec'], { flags: 15 }],
    [['ro', 'rw'], { flags: 0 }],
    [['rw', 'ro'], { flags: 1 }],
    [['nosuid', 'suid', 'nodev', 'dev', 'noexec', 'exec'], { flags: 0 }],
    [['sync', 'dirsync', 'async'], { flags: MS.DIRSYNC }],
    [['noatime', 'nodiratime', 'atime'], { flags: MS.NODIRATIME }],
    [['relatime', 'strictatime', 'norelatime', 'diratime'], { flags: MS.STRICTATIME }],
    [['strictatime', 'nostrictatime', 'lazytime'], { flags: MS.LAZYTIME }],
    [['mand', 'silent', 'nomand', 'loud', 'iversion'], { flags: MS.I_VERSION }],
    [['nosymfollow'], { flags: MS.NOSYMFOLLOW }],
    [['nosymfollow', 'symfollow'], { flags: 0 }],
    [['bind'], { flags: MS.BIND }],
    [['rbind', 'rprivate'], { flags: MS.BIND | MS.REC, propagation: [MS.PRIVATE | MS.REC] }],
    [['shared', 'rslave'], { propagation: [MS.SHARED, MS.SLAVE | MS.REC] }],
    [['unbindable', 'runbindable'], { propagation: [MS.UNBINDABLE, MS.UNBINDABLE | MS.REC] }],
    [['rro'], { recursiveSet: 1 }],
    [['rro', 'rrw'], { recursiveClear: 1 }],
    [['rrw', 'rro'], { recursiveSet: 1 }],
    [['rnosuid', 'rnodev', 'rnoexec'], { recursiveSet: 14 }],
    [['rsuid', 'rdev', 'rexec'], { recursiveClear: 14 }],
    [['rnosymfollow'], { recursiveSet: 0x200000 }],
    [['rnodiratime', 'rdiratime'], { recursiveClear: 0x80 }],
    [['tmpcopyup'], { copyUp: true }],
    [['mode=755', 'nosuid', 'size=64k'], { flags: 2, data: 'mode=755,size=64k' }],
    [['__proto__', 'constructor'], { data: '__proto__,constructor' }],
    [['idmap'], { idMap: 'one' }],
    [['ridmap'], { idMap: 'all' }],
  ])('%j', (options, expected) => {
    expect(parseMountOptions(options)).toEqual({ ...NONE, ...expected });
  });

  it.each([
    ['rnoatime', MOUNT_ATTR.NOATIME],
    ['rstrictatime', MOUNT_ATTR.STRICTATIME],
    ['rrelatime', MOUNT_ATTR.RELATIME],
    ['ratime', 0],
    ['rnostrictatime', 0],
  ])('%s clears the whole field of the access time', (option, set) => {
    expect(parseMountOptions(['rnoatime', 'rstrictatime', option])).toEqual({
      ...NONE,
      recursiveSet: option === 'ratime' ? MOUNT_ATTR.STRICTATIME : set,
      recursiveClear: MOUNT_ATTR.ATIME_FIELD,
    });
  });
});

it("has the flags of the kernel's own header", () => {
  const header = readFileSync('/usr/include/linux/mount.h', 'utf8');
  const number = (name: string): number => {
    const [, text] = new RegExp(`#define\\s+${name}\\s+\\(?([^/\\n)]+)`).exec(header) ?? [];
    const [base = '', shift = '0'] = (text ?? '').split('<<');
    return Number(base) << Number(shift);
  };
  for (const [name, value] of Object.entries(MS))
    expect([name, value]).toEqual([name, number(`MS_${name}`)]);
  for (const [name, value] of Object.entries(MOUNT_ATTR)) {
    const macro = name === 'ATIME_FIELD' ? 'MOUNT_ATTR__ATIME' : `MOUNT_ATTR_${name}`;
    expect([name, value]).toEqual([name, number(macro)]);
  }
});

it('has an inverse for each flag that can be set', () => {
  const effects = Object.values(MOUNT_OPTIONS);
  const cleared = effects.flatMap((effect) => ('clear' in effect ? [effect.clear] : []));
  const only = [0, MS.BIND, MS.BIND | MS.REC, MS.REMOUNT, MS.DIRSYNC, MS.NODIRATIME];
  for (const effect of effects) {
    if ('set' in effect && !only.includes(effect.set)) expect(cleared).toContain(effect.set);
  }
});
