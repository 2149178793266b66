/** config.md#process, resolved. */
import type { LaunchPlan } from '../launch-plan.ts';
import type { Config, Wide } from '../spec/index.ts';
import { CAPABILITIES } from './capabilities.ts';
import { planError, propertyError } from './errors.ts';
import { planScheduling } from './scheduling.ts';

type PlanProcess = LaunchPlan['process'];
type SpecProcess = NonNullable<Config['process']>;

/** <asm-generic/resource.h>. */
export const RLIMITS: ReadonlySet<string> = new Set([
  'RLIMIT_AS',
  'RLIMIT_CORE',
  'RLIMIT_CPU',
  'RLIMIT_DATA',
  'RLIMIT_FSIZE',
  'RLIMIT_LOCKS',
  'RLIMIT_MEMLOCK',
  'RLIMIT_MSGQUEUE',
  'RLIMIT_NICE',
  'RLIMIT_NOFILE',
  'RLIMIT_NPROC',
  'RLIMIT_RSS',
  'RLIMIT_RTPRIO',
  'RLIMIT_RTTIME',
  'RLIMIT_SIGPENDING',
  'RLIMIT_STACK',
]);

const SETS = ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'] as const;

/** Tells of what is left out, such as the message. */
export type Warn = (message: string) => void;

/** The names that capabilities(7) has; the others are left out, as runc does. */
export function knownCapabilities(names: readonly string[], warn: Warn): string[] {
  const unknown = names.filter((name) => !CAPABILITIES.includes(name));
  if (unknown.length > 0) {
    const list = [...new Set(unknown)].sort().join(' ');
    warn(`ignoring unknown or unavailable capabilities: [${list}]`);
  }
  return [...new Set(names)].filter((name) => CAPABILITIES.includes(name));
}

function planCapabilities(sets: NonNullable<SpecProcess['capabilities']>, warn: Warn) {
  const all = SETS.flatMap((set) => sets[set] ?? []);
  const known = new Set(knownCapabilities(all, warn));
  const plan = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] };
  const named: NonNullable<PlanProcess['capabilities']> = plan;
  for (const set of SETS) {
    named[set] = [...new Set(sets[set])].filter((name) => known.has(name));
  }
  return named;
}

function planRlimits(limits: NonNullable<SpecProcess['rlimits']>): PlanProcess['rlimits'] {
  const seen = new Set<string>();
  return limits.map(({ type, soft, hard }, i) => {
    const path = `process.rlimits[${i}]`;
    if (!RLIMITS.has(type)) throw propertyError(`${path}.type`, `unknown limit ${type}`);
    if (seen.has(type)) throw propertyError(`${path}.type`, `${type} is listed twice`);
    if (soft > hard) throw propertyError(`${path}.soft`, 'larger than the hard limit');
    seen.add(type);
    return { type, soft: String(soft), hard: String(hard) };
  });
}

function checkScore(score: number): number {
  if (score >= -1000 && score <= 1000) return score;
  throw propertyError('process.oomScoreAdj', `expected -1000 to 1000, found ${score}`);
}

/**
 * runc's range. Beyond the kernel's own, which is twice as large, is -1: there a change of user would change nothing.
 */
export function checkIds(...ids: readonly number[]): void {
  if (ids.every((id) => id >= 0 && id < 2 ** 31)) return;
  throw planError(
    'unable to start container process: unable to setup user: uids and gids must be in range 0-2147483647',
  );
}

/** As runc, which takes the size as numbers of 16 bits when there are both. */
function planTerminal({ consoleSize }: SpecProcess): NonNullable<PlanProcess['terminal']> {
  const { height, width } = consoleSize ?? { height: 0, width: 0 };
  const cut = (size: Wide) => Number(BigInt.asUintN(16, BigInt(size)));
  return { rows: cut(height), columns: cut(width) };
}

/** Without a process the container can be created, but not started. */
const NONE: SpecProcess = { cwd: '/', args: [] };

export function planProcess(process: SpecProcess = NONE, warn: Warn = () => {}): PlanProcess {
  if (process.args === undefined) throw planError('process property must not be empty');
  const { user, capabilities, oomScoreAdj } = process;
  checkIds(user?.uid ?? 0, user?.gid ?? 0, ...(user?.additionalGids ?? []));
  const plan: PlanProcess = {
    args: process.args,
    env: process.env ?? [],
    cwd: process.cwd,
    uid: user?.uid ?? 0,
    gid: user?.gid ?? 0,
    additionalGids: user?.additionalGids ?? [],
    rlimits: planRlimits(process.rlimits ?? []),
    noNewPrivileges: process.noNewPrivileges ?? false,
  };
  if (user?.umask !== undefined) plan.umask = user.umask & 0o777;
  if (capabilities !== undefined) plan.capabilities = planCapabilities(capabilities, warn);
  if (process.apparmorProfile) plan.apparmorProfile = process.apparmorProfile;
  Object.assign(plan, planScheduling(process));
  if (process.terminal === true) plan.terminal = planTerminal(process);
  if (oomScoreAdj !== undefined) plan.oomScoreAdj = checkScore(oomScoreAdj);
  return plan;
}
