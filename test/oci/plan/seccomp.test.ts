/** Profiles as programs: an interpreter of the few instructions runs what the plan has. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PlanProcess } from '../../../oci/launch-plan.ts';
import { SYSTEM_CALLS } from '../../../oci/plan/seccomp/system-calls.ts';
import { HOME } from '../../pinion.ts';
import { plan, refusal } from './fixture.ts';

type Program = NonNullable<PlanProcess['seccomp']>;
type Word = number | bigint;

const ALLOW = 0x7fff_0000;
const LOG = 0x7ffc_0000;
const TRAP = 0x0003_0000;
const TRACE = 0x7ff0_0000;
const KILL_PROCESS = 0x8000_0000;
const errno = (number: number) => 0x0005_0000 + number;
const EPERM = 1;
const ENOSYS = 38;

function compile(seccomp: object): Program {
  const program = plan({ linux: { seccomp } } as never).process.seccomp;
  if (program === undefined) throw new Error('no program');
  return program;
}

function word(args: readonly Word[], offset: number): number {
  const value = BigInt.asUintN(64, BigInt(args[Math.floor((offset - 16) / 8)] ?? 0));
  return Number(offset % 8 === 4 ? value >> 32n : BigInt.asUintN(32, value));
}

/** What a program returns for a call. */
function run(program: Program, number: number, args: readonly Word[] = []): number {
  let a = 0;
  for (let place = 0; ; ) {
    const instruction = program[place++];
    if (instruction === undefined) throw new Error('it runs over its end');
    const [code, jt, jf, k] = instruction;
    const jump = (condition: boolean) => {
      place += condition ? jt : jf;
    };
    if (code === 0x20) a = k === 0 ? number : word(args, k);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x06) return k;
    else if (code === 0x05) place += k;
    else if (code === 0x15) jump(a === k);
    else if (code === 0x25) jump(a > k);
    else if (code === 0x35) jump(a >= k);
    else throw new Error(`instruction ${code}`);
  }
}

function call(name: string): number {
  const number = SYSTEM_CALLS.get(name);
  if (number === undefined) throw new Error(name);
  return number;
}

const judge = (program: Program, name: string, ...args: Word[]) => run(program, call(name), args);

test('the table of numbers is that of the other side', () => {
  const table = readFileSync(join(HOME, 'docs/abi.md'), 'utf8');
  const rows = [...table.matchAll(/^\| (\d{1,3}) \| `([a-z]\w+)` \|/gm)];
  expect(rows.length).toBeGreaterThan(300);
  for (const [, number, name] of rows) {
    expect([name, SYSTEM_CALLS.get(name ?? '')]).toEqual([name, Number(number)]);
  }
});

test('actions', () => {
  const one = (name: string, action: string, errnoRet?: number) => ({
    names: [name],
    action,
    ...(errnoRet !== undefined && { errnoRet }),
  });
  const program = compile({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      one('read', 'SCMP_ACT_ERRNO'),
      one('write', 'SCMP_ACT_ERRNO', 0),
      one('open', 'SCMP_ACT_ERRNO', 95),
      one('close', 'SCMP_ACT_KILL'),
      one('stat', 'SCMP_ACT_KILL_THREAD'),
      one('fstat', 'SCMP_ACT_KILL_PROCESS'),
      one('lstat', 'SCMP_ACT_TRAP', 7),
      one('poll', 'SCMP_ACT_TRACE', 3),
      one('lseek', 'SCMP_ACT_LOG'),
      one('no_such_call', 'SCMP_ACT_KILL'),
    ],
  });
  const verdicts = ['read', 'write', 'open', 'close', 'stat', 'fstat', 'lstat', 'poll', 'lseek'];
  expect(verdicts.map((name) => judge(program, name))).toEqual([
    errno(EPERM),
    errno(0),
    errno(95),
    0,
    0,
    KILL_PROCESS,
    TRAP,
    TRACE + 3,
    LOG,
  ]);
  expect(judge(program, 'mmap')).toBe(ALLOW);
  expect(run(program, 5000)).toBe(ALLOW);
});

test.each([
  ['SCMP_ACT_ERRNO', undefined, errno(EPERM), errno(ENOSYS)],
  ['SCMP_ACT_ERRNO', 5, errno(5), errno(ENOSYS)],
  ['SCMP_ACT_ERRNO', ENOSYS, errno(ENOSYS), errno(ENOSYS)],
  ['SCMP_ACT_KILL_PROCESS', undefined, KILL_PROCESS, errno(ENOSYS)],
  ['SCMP_ACT_LOG', undefined, LOG, LOG],
] as const)('default %s %s: what is newer than the profile', (action, number, known, newer) => {
  const program = compile({
    defaultAction: action,
    ...(number !== undefined && { defaultErrnoRet: number }),
    syscalls: [{ names: ['read', 'statx'], action: 'SCMP_ACT_ALLOW' }],
  });
  expect(judge(program, 'statx')).toBe(ALLOW);
  expect(judge(program, 'write')).toBe(known);
  expect(judge(program, 'clone3')).toBe(newer);
});

test('numbers of x32', () => {
  const x32 = 0x4000_0000;
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['read', 'write'], action: 'SCMP_ACT_ALLOW' }],
  };
  expect(run(compile(profile), x32)).toBe(0);
  const both = compile({ ...profile, architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X32'] });
  expect(run(both, x32)).toBe(ALLOW);
});

const HUGE = 0x1_0000_0002n;
test.each([
  [
    'SCMP_CMP_EQ',
    HUGE,
    0,
    [
      [HUGE, true],
      [2, false],
      [0x1_0000_0003n, false],
    ],
  ],
  [
    'SCMP_CMP_NE',
    HUGE,
    0,
    [
      [HUGE, false],
      [2, true],
      [0x1_0000_0003n, true],
    ],
  ],
  [
    'SCMP_CMP_LT',
    HUGE,
    0,
    [
      [HUGE, false],
      [0x1_0000_0001n, true],
      [0xffff_ffff, true],
      [-1, false],
    ],
  ],
  [
    'SCMP_CMP_LE',
    HUGE,
    0,
    [
      [HUGE, true],
      [0x1_0000_0003n, false],
      [0, true],
      [-1, false],
    ],
  ],
  [
    'SCMP_CMP_GT',
    HUGE,
    0,
    [
      [HUGE, false],
      [0x1_0000_0003n, true],
      [0xffff_ffff, false],
      [-1, true],
    ],
  ],
  [
    'SCMP_CMP_GE',
    HUGE,
    0,
    [
      [HUGE, true],
      [0x1_0000_0001n, false],
      [0, false],
      [-1, true],
    ],
  ],
  [
    'SCMP_CMP_MASKED_EQ',
    0x7e02_0000,
    0,
    [
      [0x11, true],
      [0x0200_0000, false],
      [-1, false],
    ],
  ],
  [
    'SCMP_CMP_MASKED_EQ',
    0xf_0000_000fn,
    HUGE,
    [
      [0xff1_ffff_fff2n, true],
      [HUGE, true],
      [2, false],
    ],
  ],
] as const)('%s %s %s', (op, value, valueTwo, cases) => {
  const args = [{ index: 2, value, valueTwo, op }];
  const program = compile({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['mmap'], action: 'SCMP_ACT_ALLOW', args }],
  });
  for (const [argument, holds] of cases) {
    const expected = holds ? ALLOW : errno(EPERM);
    expect([argument, judge(program, 'mmap', 9, 9, argument)]).toEqual([argument, expected]);
  }
});

test('conditions: all of a rule, any of the rules, any on the same argument', () => {
  const is = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' });
  const rule = (name: string, args: object[], action = 'SCMP_ACT_ALLOW') => ({
    names: [name],
    action,
    args,
  });
  const program = compile({
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [
      rule('mmap', [is(0, 1), is(1, 2)]),
      rule('mmap', [is(5, 3)]),
      rule('dup2', [is(0, 1), is(0, 2), is(1, 3)]),
      // Without a condition nothing else counts.
      rule('dup3', [is(0, 1)], 'SCMP_ACT_TRAP'),
      { names: ['dup3'], action: 'SCMP_ACT_LOG' },
      rule('dup3', [is(0, 1)], 'SCMP_ACT_TRAP'),
      // As the default, so it is not there.
      { names: ['pipe'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 },
      rule('pipe', [is(0, 1)]),
    ],
  });
  const no = errno(EPERM);
  expect(judge(program, 'mmap', 1, 2)).toBe(ALLOW);
  expect(judge(program, 'mmap', 1, 3)).toBe(no);
  expect(judge(program, 'mmap', 0, 0, 0, 0, 0, 3)).toBe(ALLOW);
  for (const args of [[1], [2], [0, 3]]) expect(judge(program, 'dup2', ...args)).toBe(ALLOW);
  expect(judge(program, 'dup2', 3, 1)).toBe(no);
  expect(judge(program, 'dup3', 1)).toBe(LOG);
  expect(judge(program, 'pipe', 1)).toBe(ALLOW);
});

test('every number is found, in a tree with far jumps', () => {
  const names = [...SYSTEM_CALLS.keys()].filter((_, i) => i % 3 !== 0);
  const args = (value: number) => [{ index: 0, value, op: 'SCMP_CMP_EQ' }];
  const program = compile({
    defaultAction: 'SCMP_ACT_KILL_PROCESS',
    syscalls: names.map((name) => ({
      names: [name],
      action: 'SCMP_ACT_ALLOW',
      args: args(call(name)),
    })),
  });
  expect(program.length).toBeGreaterThan(1000);
  for (const [name, number] of SYSTEM_CALLS) {
    const known = names.includes(name) ? ALLOW : KILL_PROCESS;
    expect([name, run(program, number, [number])]).toEqual([name, known]);
    expect([name, run(program, number, [1000])]).toEqual([name, KILL_PROCESS]);
  }
});

test('no profile', () => {
  expect(plan().process.seccomp).toBeUndefined();
});

const many = Array.from({ length: 900 }, (_, i) => ({
  names: ['read'],
  action: 'SCMP_ACT_ALLOW',
  args: [{ index: 0, value: i, op: 'SCMP_CMP_EQ' }],
}));

test('a listener that nobody asks is none', () => {
  const seccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    listenerPath: '/run/x',
    listenerMetadata: 'x',
  };
  const linux = { namespaces: [{ type: 'mount' as const }], seccomp } as object;
  expect(plan({ linux }).process.seccomp).toBeDefined();
});

test.each([
  [
    { defaultAction: 'SCMP_ACT_NOTIFY' },
    'unable to init seccomp: SCMP_ACT_NOTIFY cannot be used as default action',
  ],
  [
    { syscalls: [{ names: ['read'], action: 'SCMP_ACT_NOTIFY' }] },
    'unable to start container process: listenerPath is not set',
  ],
  [
    { listenerPath: '/run/x', syscalls: [{ names: ['read', 'write'], action: 'SCMP_ACT_NOTIFY' }] },
    'unable to init seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall',
  ],
  [
    { listenerPath: '/run/x', syscalls: [{ names: ['read'], action: 'SCMP_ACT_NOTIFY' }] },
    'linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY is not supported',
  ],
  [
    { flags: ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] },
    'linux.seccomp.flags[1]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is for listeners',
  ],
  [
    {
      syscalls: [
        {
          names: ['read'],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }],
        },
      ],
    },
    'linux.seccomp.syscalls[0].args[0].index: expected 0 to 5, found 6',
  ],
  [
    { syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', errnoRet: 70_000 }] },
    'linux.seccomp.syscalls[0].action: errno 70000 is larger than 65535',
  ],
  [{ syscalls: many }, 'linux.seccomp.syscalls: it makes 45'],
])('refused: %#', (seccomp, message) => {
  const error = refusal({
    linux: { seccomp: { defaultAction: 'SCMP_ACT_ERRNO', ...seccomp } },
  } as never);
  expect(error).toContain(message);
});
