/** The flags of `update` as the resources that they stand for, in runc's units and words. */
import { OciError } from '../oci/errors.ts';
import type { Resources } from '../oci/spec/index.ts';
import type { CommandFlags } from './grammar.ts';

type Flags = CommandFlags<'update'>;

export function updateResources(flags: Flags): Resources {
  refuseRdt(flags);
  const size = (name: 'memory' | 'memory-reservation' | 'memory-swap') =>
    parseSize(name, flags[name]);
  return defined({
    memory: defined({
      limit: size('memory'),
      reservation: size('memory-reservation'),
      swap: size('memory-swap'),
      kernel: parseSize('kernel-memory', flags['kernel-memory']),
      kernelTCP: parseSize('kernel-memory-tcp', flags['kernel-memory-tcp']),
    }),
    cpu: defined({
      shares: parseNumber('cpu-share', flags['cpu-share']),
      period: parseNumber('cpu-period', flags['cpu-period']),
      quota: parseNumber('cpu-quota', flags['cpu-quota'], true),
      burst: parseNumber('cpu-burst', flags['cpu-burst']),
      realtimePeriod: parseNumber('cpu-rt-period', flags['cpu-rt-period']),
      realtimeRuntime: parseNumber('cpu-rt-runtime', flags['cpu-rt-runtime'], true),
      cpus: flags['cpuset-cpus'],
      mems: flags['cpuset-mems'],
      idle: parseNumber('cpu-idle', flags['cpu-idle'], true),
    }),
    pids: defined({ limit: flags['pids-limit'] }),
    blockIO: defined({ weight: flags['blkio-weight'] || undefined }),
  });
}

/** Without what was not given; undefined where that is all. */
function defined<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const given = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function refuseRdt(flags: Flags): void {
  if (flags['l3-cache-schema']) {
    throw invalid('Intel RDT/CAT: l3 cache schema is not enabled');
  }
  if (flags['mem-bw-schema']) {
    throw invalid('Intel RDT/MBA: memory bandwidth schema is not enabled');
  }
}

function parseNumber(name: string, text: string | undefined, signed = false): number | undefined {
  if (text === undefined || text === '') return undefined;
  if ((signed ? /^[+-]?\d{1,15}$/ : /^\d{1,15}$/).test(text)) return Number(text);
  const parser = signed ? 'strconv.ParseInt' : 'strconv.ParseUint';
  const reason = `${parser}: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw invalid(`invalid value for ${name}: ${reason}`);
}

const UNITS = ' kmgtp';

/** Bytes, with a unit such as `k`, `MB` or `GiB`, all powers of 1024; -1: no limit. */
function parseSize(name: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (text === '-1') return -1;
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i.exec(text) ?? [];
  if (number === undefined) throw invalid(`invalid value for ${name}: invalid size: '${text}'`);
  const power = unit === undefined || unit === '' ? 0 : UNITS.indexOf(unit.toLowerCase());
  return Math.trunc(Number(number) * 1024 ** power);
}

function invalid(message: string): OciError {
  return new OciError('ERR_PINION_UPDATE', message);
}
