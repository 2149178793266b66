/** What is measured: programs of the bundles' root filesystem, and how their time is told. */

export interface Measure {
  name: string;
  args: readonly string[];
  unit: 'ms' | 'us' | 'ns';
  /** Wall time of the whole run, or the number (ns) that the program prints. */
  by: 'wall time' | 'program';
  native: boolean;
  /** How many of ten rounds measure this. */
  share: number;
}

function program(name: string, unit: 'us' | 'ns', ...args: string[]): Measure {
  const [file = '', ...rest] = args;
  return { name, args: [`/bin/${file}`, ...rest], unit, by: 'program', native: true, share: 3 };
}

export const MEASURES: readonly Measure[] = [
  { name: 'run true', args: ['/bin/true'], unit: 'ms', by: 'wall time', native: false, share: 10 },
  program('getpid', 'ns', 'getpid'),
  program('clock_gettime', 'ns', 'clock'),
  program('pread 4 KiB', 'ns', 'pread', '4096'),
  program('pread 64 KiB', 'ns', 'pread', '65536'),
  program('pwrite 4 KiB', 'ns', 'pwrite', '4096'),
  program('pwrite 64 KiB', 'ns', 'pwrite', '65536'),
  program('futex turns', 'ns', 'ping', 'thread'),
  program('thread', 'us', 'thread'),
  program('pipe turns', 'us', 'ping', 'process'),
  program('fork', 'us', 'process', 'fork'),
  program('fork and exec', 'us', 'process', 'exec'),
  program('posix_spawn', 'us', 'process', 'spawn'),
  program('fresh page', 'ns', 'touch'),
  program('computing', 'ns', 'compute'),
  {
    name: 'sha256 256 MiB',
    args: ['/bin/sha256sum', '/data'],
    unit: 'ms',
    by: 'wall time',
    native: true,
    share: 2,
  },
];

/** Nanoseconds in a unit, as far as programs' numbers are shown in it. */
export const NANOSECONDS = { ns: 1, us: 1e3, ms: 1e6 } as const;
