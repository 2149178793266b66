import { spawnSync } from 'node:child_process';
import type { Context } from '../context.ts';
import { OciError, systemError } from '../errors.ts';
import { StateStore } from '../state/store.ts';
import { isKernelThread, processesIn } from './cgroup.ts';

/** Where ps(1) is when the caller says nothing: engines pass nearly empty environments. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const MAX_OUTPUT = 64 * 1024 * 1024;

/** The process ids on the host of all processes of a container: those of their monitors. */
export function processes(ctx: Context, id: string): number[] {
  const record = new StateStore(ctx.root).read(id);
  if (record.cgroups.length === 0) {
    const message = 'unable to get all container pids: cgroups not configured for container';
    throw new OciError('ERR_PINION_NO_CGROUPS', message);
  }
  const pids = [...processesIn(record.cgroups)].filter((pid) => !isKernelThread(pid));
  return pids.sort((a, b) => a - b);
}

/**
 * What ps(1) says of these processes: its header and their lines.
 * @param args Arguments of ps; `-ef` if there are none.
 */
export function processTable(
  ctx: Context,
  pids: readonly number[],
  args: readonly string[],
): string {
  const [header = '', ...lines] = listing(ctx, args.length > 0 ? args : ['-ef']).split('\n');
  const column = header.split(/\s+/).filter(Boolean).indexOf('PID');
  if (column === -1) throw invalid("couldn't find PID field in ps output");
  const rows = lines.filter((line) => {
    if (line === '') return false;
    const field = line.split(/\s+/).filter(Boolean)[column] ?? '';
    if (!/^\d+$/.test(field)) {
      const reason = `strconv.Atoi: parsing ${JSON.stringify(field)}: invalid syntax`;
      throw invalid(`unable to parse pid: ${reason}`);
    }
    return pids.includes(Number(field));
  });
  return [header, ...rows, ''].join('\n');
}

function listing({ cwd, env }: Context, args: readonly string[]): string {
  const { status, signal, stdout, stderr, error } = spawnSync('ps', args, {
    cwd,
    env: { ...env, PATH: env.PATH || PATH },
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT,
  });
  if (error !== undefined) throw systemError('exec: "ps"', error);
  if (status === 0) return stdout;
  const how = status === null ? `signal: ${signal}` : `exit status ${status}`;
  throw invalid(`${how}: ${stdout}${stderr}`);
}

function invalid(message: string): OciError {
  return new OciError('ERR_PINION_PS', message);
}
