/** The options of mounts, as runc 1.1 to 1.3 know them: one table. */
import { MOUNT_ATTR as ATTR, MS } from './constants.ts';

type Effect =
  /** Sets or clears flags of mount(2). */
  | { set: number }
  | { clear: number }
  /** Flags of a separate mount(2) call for the propagation. */
  | { propagation: number }
  /** Sets or clears an attribute of the mount and all mounts below it. */
  | { setAll: number }
  | { clearAll: number }
  | { copyUp: true }
  /** Gives the mount, and perhaps those below it, other ids. */
  | { idMap: 'one' | 'all' };

export const MOUNT_OPTIONS: Readonly<Record<string, Effect>> = {
  async: { clear: MS.SYNCHRONOUS },
  atime: { clear: MS.NOATIME },
  bind: { set: MS.BIND },
  defaults: { set: 0 },
  dev: { clear: MS.NODEV },
  diratime: { clear: MS.NODIRATIME },
  dirsync: { set: MS.DIRSYNC },
  exec: { clear: MS.NOEXEC },
  iversion: { set: MS.I_VERSION },
  lazytime: { set: MS.LAZYTIME },
  loud: { clear: MS.SILENT },
  mand: { set: MS.MANDLOCK },
  noatime: { set: MS.NOATIME },
  nodev: { set: MS.NODEV },
  nodiratime: { set: MS.NODIRATIME },
  noexec: { set: MS.NOEXEC },
  noiversion: { clear: MS.I_VERSION },
  nolazytime: { clear: MS.LAZYTIME },
  nomand: { clear: MS.MANDLOCK },
  norelatime: { clear: MS.RELATIME },
  nostrictatime: { clear: MS.STRICTATIME },
  nosuid: { set: MS.NOSUID },
  nosymfollow: { set: MS.NOSYMFOLLOW },
  rbind: { set: MS.BIND | MS.REC },
  relatime: { set: MS.RELATIME },
  remount: { set: MS.REMOUNT },
  ro: { set: MS.RDONLY },
  rw: { clear: MS.RDONLY },
  silent: { set: MS.SILENT },
  strictatime: { set: MS.STRICTATIME },
  suid: { clear: MS.NOSUID },
  symfollow: { clear: MS.NOSYMFOLLOW },
  sync: { set: MS.SYNCHRONOUS },

  private: { propagation: MS.PRIVATE },
  rprivate: { propagation: MS.PRIVATE | MS.REC },
  rshared: { propagation: MS.SHARED | MS.REC },
  rslave: { propagation: MS.SLAVE | MS.REC },
  runbindable: { propagation: MS.UNBINDABLE | MS.REC },
  shared: { propagation: MS.SHARED },
  slave: { propagation: MS.SLAVE },
  unbindable: { propagation: MS.UNBINDABLE },

  ratime: { clearAll: ATTR.NOATIME },
  rdev: { clearAll: ATTR.NODEV },
  rdiratime: { clearAll: ATTR.NODIRATIME },
  rexec: { clearAll: ATTR.NOEXEC },
  rnoatime: { setAll: ATTR.NOATIME },
  rnodev: { setAll: ATTR.NODEV },
  rnodiratime: { setAll: ATTR.NODIRATIME },
  rnoexec: { setAll: ATTR.NOEXEC },
  rnorelatime: { clearAll: ATTR.RELATIME },
  rnostrictatime: { clearAll: ATTR.STRICTATIME },
  rnosuid: { setAll: ATTR.NOSUID },
  rnosymfollow: { setAll: ATTR.NOSYMFOLLOW },
  rrelatime: { setAll: ATTR.RELATIME },
  rro: { setAll: ATTR.RDONLY },
  rrw: { clearAll: ATTR.RDONLY },
  rstrictatime: { setAll: ATTR.STRICTATIME },
  rsuid: { clearAll: ATTR.NOSUID },
  rsymfollow: { clearAll: ATTR.NOSYMFOLLOW },

  tmpcopyup: { copyUp: true },

  idmap: { idMap: 'one' },
  ridmap: { idMap: 'all' },
};

export interface ParsedOptions {
  flags: number;
  propagation: number[];
  recursiveSet: number;
  recursiveClear: number;
  copyUp: boolean;
  /** What no table knows is the file system's own. */
  data: string;
  idMap: 'one' | 'all' | undefined;
}

/** The access time is one field of mount_setattr(2): it is cleared before a part of it is set. */
function withAtimeField(bits: number): number {
  return (bits & ATTR.ATIME_FIELD) === 0 ? bits : bits | ATTR.ATIME_FIELD;
}

export function parseMountOptions(options: readonly string[]): ParsedOptions {
  const parsed: ParsedOptions = {
    flags: 0,
    propagation: [],
    recursiveSet: 0,
    recursiveClear: 0,
    copyUp: false,
    data: '',
    idMap: undefined,
  };
  const data: string[] = [];
  for (const option of options) {
    const effect = Object.hasOwn(MOUNT_OPTIONS, option) ? MOUNT_OPTIONS[option] : undefined;
    if (effect === undefined) {
      data.push(option);
    } else if ('set' in effect) {
      parsed.flags |= effect.set;
    } else if ('clear' in effect) {
      parsed.flags &= ~effect.clear;
    } else if ('propagation' in effect) {
      parsed.propagation.push(effect.propagation);
    } else if ('setAll' in effect) {
      const isAtime = (effect.setAll & ATTR.ATIME_FIELD) === effect.setAll;
      if (isAtime) {
        parsed.recursiveSet &= ~ATTR.ATIME_FIELD;
        parsed.recursiveClear |= ATTR.ATIME_FIELD;
      } else {
        parsed.recursiveClear &= ~effect.setAll;
      }
      parsed.recursiveSet |= effect.setAll;
    } else if ('clearAll' in effect) {
      parsed.recursiveSet &= ~effect.clearAll;
      parsed.recursiveClear |= withAtimeField(effect.clearAll);
    } else if ('idMap' in effect) {
      parsed.idMap = effect.idMap;
    } else {
      parsed.copyUp = true;
    }
  }
  parsed.data = data.join(',');
  return parsed;
}
