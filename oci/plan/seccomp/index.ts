/**
 * config-linux.md#seccomp -> one classic BPF program (seccomp(2)), with libseccomp's meaning of
 * rules and runc's use of it.
 */
import type { PlanProcess } from '../../launch-plan.ts';
import type { Config } from '../../spec/index.ts';
import { planError, propertyError, unsupportedError } from '../errors.ts';
import { assemble, type Case, type Comparison, type Rule } from './assemble.ts';
import { SYSTEM_CALLS } from './system-calls.ts';

type Profile = NonNullable<NonNullable<Config['linux']>['seccomp']>;
type Syscall = NonNullable<Profile['syscalls']>[number];
type Action = Profile['defaultAction'];

/** <linux/seccomp.h>: SECCOMP_RET_*; what takes 16 bits of data has `data`. */
const VERDICTS: Readonly<
  Record<Exclude<Action, 'SCMP_ACT_NOTIFY'>, { value: number; data?: true }>
> = {
  SCMP_ACT_KILL: { value: 0 },
  SCMP_ACT_KILL_THREAD: { value: 0 },
  SCMP_ACT_KILL_PROCESS: { value: 0x8000_0000 },
  SCMP_ACT_TRAP: { value: 0x0003_0000 },
  SCMP_ACT_ERRNO: { value: 0x0005_0000, data: true },
  SCMP_ACT_TRACE: { value: 0x7ff0_0000, data: true },
  SCMP_ACT_LOG: { value: 0x7ffc_0000 },
  SCMP_ACT_ALLOW: { value: 0x7fff_0000 },
};
const ALLOW = VERDICTS.SCMP_ACT_ALLOW.value;
const LOG = VERDICTS.SCMP_ACT_LOG.value;
const EPERM = 1;
const ENOSYS = 38;
const NO_CALL = VERDICTS.SCMP_ACT_ERRNO.value | ENOSYS;

/** The most instructions of a program (BPF_MAXINSNS). */
const MOST = 4096;
const ARGUMENTS = 6;
const U16 = 0xffff;

/** As much of seccomp(2)'s flags as there is here; the first two change nothing that a guest sees. */
const FLAGS: ReadonlySet<string> = new Set([
  'SECCOMP_FILTER_FLAG_LOG',
  'SECCOMP_FILTER_FLAG_SPEC_ALLOW',
  'SECCOMP_FILTER_FLAG_TSYNC',
]);

/**
 * A listener may answer that the host is to go on with the call: Linux then makes it in the thread that asked, and
 * nobody else hears of it. So what asks here for a guest would have to make the guest's call itself, and it would have
 * to have the guest's memory at the guest's addresses, since listeners read arguments in /proc/PID/mem.
 */
const NO_LISTENERS = 'SCMP_ACT_NOTIFY is not supported';

/** runc's rules for what asks a listener, in its words. A listener that nobody asks is none. */
function checkNotify({ defaultAction, syscalls = [], listenerPath = '' }: Profile): void {
  const isNotified = ({ action }: Syscall) => action === 'SCMP_ACT_NOTIFY';
  const refuse = (why: string) => planError(`unable to start container process: ${why}`);
  if (defaultAction === 'SCMP_ACT_NOTIFY') {
    throw refuse('unable to init seccomp: SCMP_ACT_NOTIFY cannot be used as default action');
  }
  if (syscalls.some((rule) => isNotified(rule) && rule.names.includes('write'))) {
    throw refuse('unable to init seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall');
  }
  if (listenerPath === '' && syscalls.some(isNotified)) throw refuse('listenerPath is not set');
}

function verdict(path: string, action: Action, errno: number | undefined): number {
  if (action === 'SCMP_ACT_NOTIFY') throw unsupportedError(path, NO_LISTENERS);
  const { value, data } = VERDICTS[action];
  if (data === undefined) return value;
  const given = errno ?? EPERM;
  if (given > U16) throw propertyError(path, `errno ${given} is larger than ${U16}`);
  return value | given;
}

/** Rules of one call: conditions on one argument twice are alternatives, as runc has it. */
function rulesOf(path: string, { args = [], action, errnoRet }: Syscall): Rule[] {
  const result = verdict(`${path}.action`, action, errnoRet);
  const comparisons = args.map(({ index, value, valueTwo = 0, op }, i): Comparison => {
    if (index >= ARGUMENTS) {
      throw propertyError(`${path}.args[${i}].index`, `expected 0 to 5, found ${index}`);
    }
    return { index, value: BigInt(value), other: BigInt(valueTwo), operator: op };
  });
  const indices = new Set(comparisons.map(({ index }) => index));
  return indices.size < comparisons.length
    ? comparisons.map((comparison) => ({ comparisons: [comparison], result }))
    : [{ comparisons, result }];
}

/** The rules of each number. A rule without conditions leaves no room for others (libseccomp). */
function collect(syscalls: readonly Syscall[], fallback: number): Map<number, Rule[]> {
  const cases = new Map<number, Rule[]>();
  for (const [i, syscall] of syscalls.entries()) {
    const rules = rulesOf(`linux.seccomp.syscalls[${i}]`, syscall);
    // runc leaves out what the default does anyway.
    if (rules[0]?.result === fallback) continue;
    for (const name of syscall.names) {
      const number = SYSTEM_CALLS.get(name);
      if (number === undefined) continue;
      const known = cases.get(number) ?? [];
      if (known[0]?.comparisons.length === 0) continue;
      const absolute = rules[0]?.comparisons.length === 0;
      cases.set(number, absolute ? rules : [...known, ...rules]);
    }
  }
  return cases;
}

/** The largest number that the profile knows of, whatever it does with it. */
function newest(syscalls: readonly Syscall[]): number {
  const numbers = syscalls.flatMap(({ names }) => names.map((name) => SYSTEM_CALLS.get(name) ?? 0));
  return Math.max(0, ...numbers);
}

/**
 * The profile as a program; undefined where there is none.
 * @throws OciError that names the property, for what there is not, and for what makes no program.
 */
export function planSeccomp(profile: Profile | undefined): PlanProcess['seccomp'] {
  if (profile === undefined) return undefined;
  const { syscalls = [], architectures = [], flags = [] } = profile;
  checkNotify(profile);
  const strange = flags.findIndex((flag) => !FLAGS.has(flag));
  if (strange >= 0) {
    throw unsupportedError(`linux.seccomp.flags[${strange}]`, `${flags[strange]} is for listeners`);
  }
  const fallback = verdict(
    'linux.seccomp.defaultAction',
    profile.defaultAction,
    profile.defaultErrnoRet,
  );
  const rules = collect(syscalls, fallback);
  const cases: Case[] = [...rules].map(([number, list]) => ({ number, rules: list }));
  // What is newer than the profile does not exist (runc): programs then do without it.
  const permissive = fallback === ALLOW || fallback === LOG;
  const last = permissive || fallback === NO_CALL ? undefined : newest(syscalls);
  const program = assemble({
    cases,
    fallback,
    beyond: last === undefined ? undefined : { last, result: NO_CALL },
    // Numbers of the x32 ABI are of an architecture of its own.
    foreign: architectures.includes('SCMP_ARCH_X32')
      ? undefined
      : VERDICTS.SCMP_ACT_KILL_THREAD.value,
  });
  if (program.length > MOST) {
    const problem = `it makes ${program.length} instructions, ${MOST} are the most`;
    throw propertyError('linux.seccomp.syscalls', problem);
  }
  return program;
}
