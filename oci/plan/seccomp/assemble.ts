/** Rules by number -> classic BPF (Linux's Documentation/networking/filter.rst). */

/** `struct sock_filter` (<linux/filter.h>): code, jt, jf, k. */
export type Instruction = [code: number, jt: number, jf: number, k: number];

/** An argument against 64-bit values; for MASKED_EQ `value` is the mask. */
export interface Comparison {
  index: number;
  operator:
    | 'SCMP_CMP_NE'
    | 'SCMP_CMP_LT'
    | 'SCMP_CMP_LE'
    | 'SCMP_CMP_EQ'
    | 'SCMP_CMP_GE'
    | 'SCMP_CMP_GT'
    | 'SCMP_CMP_MASKED_EQ';
  value: bigint;
  other: bigint;
}

/** Applies where all comparisons hold. */
export interface Rule {
  comparisons: Comparison[];
  result: number;
}

/** The rules of one call, the first that applies decides. */
export interface Case {
  number: number;
  rules: Rule[];
}

export interface Table {
  cases: Case[];
  /** Where no rule applies. */
  fallback: number;
  /** For numbers beyond `last`. */
  beyond: { last: number; result: number } | undefined;
  /** For numbers of x32; undefined: as the same numbers without its bit. */
  foreign: number | undefined;
}

const LOAD = 0x20;
const AND = 0x54;
const RETURN = 0x06;
const JUMP = 0x05;
const EQUAL = 0x15;
const GREATER = 0x25;
const FROM = 0x35;

/** Offsets in `struct seccomp_data` (<linux/seccomp.h>). */
const NUMBER = 0;
const ARGUMENTS = 16;
/** The bit of the x32 ABI in a number (__X32_SYSCALL_BIT). */
const X32 = 0x4000_0000;
const FARTHEST = 255;

const give = (result: number): Instruction => [RETURN, 0, 0, result];

/** Where a step of a comparison goes on. */
type Way = 'next' | 'holds' | 'fails';
type Step = { code: number; k: number; yes: Way; no: Way };

/** The steps of a comparison of the two halves of an argument. */
function steps({ index, operator, value, other }: Comparison): Step[] {
  const low = ARGUMENTS + 8 * index;
  const half = (number: bigint, high: boolean) =>
    Number(BigInt.asUintN(32, high ? number >> 32n : number));
  const load = (k: number): Step => ({ code: LOAD, k, yes: 'next', no: 'next' });
  const test = (code: number, k: number, yes: Way, no: Way): Step => ({ code, k, yes, no });
  const [high, bottom] = [half(value, true), half(value, false)];
  switch (operator) {
    case 'SCMP_CMP_EQ':
    case 'SCMP_CMP_NE': {
      const [same, different]: [Way, Way] =
        operator === 'SCMP_CMP_EQ' ? ['holds', 'fails'] : ['fails', 'holds'];
      return [
        load(low + 4),
        test(EQUAL, high, 'next', different),
        load(low),
        test(EQUAL, bottom, same, different),
      ];
    }
    case 'SCMP_CMP_MASKED_EQ':
      return [
        load(low + 4),
        { code: AND, k: high, yes: 'next', no: 'next' },
        test(EQUAL, half(other, true), 'next', 'fails'),
        load(low),
        { code: AND, k: bottom, yes: 'next', no: 'next' },
        test(EQUAL, half(other, false), 'holds', 'fails'),
      ];
    case 'SCMP_CMP_GT':
    case 'SCMP_CMP_LE':
    case 'SCMP_CMP_GE':
    case 'SCMP_CMP_LT': {
      const upwards = operator === 'SCMP_CMP_GT' || operator === 'SCMP_CMP_GE';
      const [above, below]: [Way, Way] = upwards ? ['holds', 'fails'] : ['fails', 'holds'];
      const strict = operator === 'SCMP_CMP_GT' || operator === 'SCMP_CMP_LE';
      return [
        load(low + 4),
        test(GREATER, high, above, 'next'),
        test(EQUAL, high, 'next', below),
        load(low),
        test(strict ? GREATER : FROM, bottom, above, below),
      ];
    }
  }
}

/** A rule: falls through behind its end where it does not apply. */
function assembleRule({ comparisons, result }: Rule): Instruction[] {
  const parts = comparisons.map(steps);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const program: Instruction[] = [];
  let end = 0;
  for (const part of parts) {
    end += part.length;
    for (const { code, k, yes, no } of part) {
      const here = program.length + 1;
      const distance = { next: 0, holds: end - here, fails: length + 1 - here };
      const jumps = code !== LOAD && code !== AND;
      program.push([code, jumps ? distance[yes] : 0, jumps ? distance[no] : 0, k]);
    }
  }
  return [...program, give(result)];
}

function assembleRules(rules: readonly Rule[], fallback: number): Instruction[] {
  const program = rules.flatMap(assembleRule);
  const absolute = rules.at(-1)?.comparisons.length === 0;
  return absolute ? program : [...program, give(fallback)];
}

/** What is done with the numbers from `first` to the next run's. */
interface Run {
  first: number;
  program: Instruction[];
}

function runs({ cases, fallback }: Table): Run[] {
  const list: Run[] = [];
  const push = (first: number, program: Instruction[]) => {
    const last = list.at(-1);
    if (last !== undefined && same(last.program, program)) return;
    if (last?.first === first) list.pop();
    list.push({ first, program });
  };
  let next = 0;
  for (const { number, rules } of cases.toSorted((a, b) => a.number - b.number)) {
    if (number > next) push(next, [give(fallback)]);
    push(number, assembleRules(rules, fallback));
    next = number + 1;
  }
  push(next, [give(fallback)]);
  return list;
}

function same(one: readonly Instruction[], other: readonly Instruction[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** A search tree: what is asked of each number is a handful of comparisons. */
function tree(list: readonly Run[]): Instruction[] {
  const [only] = list;
  if (only === undefined) return [];
  if (list.length === 1) return only.program;
  const middle = Math.floor(list.length / 2);
  const below = tree(list.slice(0, middle));
  const from = tree(list.slice(middle));
  const first = list[middle]?.first ?? 0;
  const fork: Instruction[] =
    below.length <= FARTHEST
      ? [[FROM, below.length, 0, first]]
      : [
          [FROM, 0, 1, first],
          [JUMP, 0, 0, below.length],
        ];
  return [...fork, ...below, ...from];
}

/** The accumulator holds the number wherever a tree begins. */
export function assemble(table: Table): Instruction[] {
  const { beyond, foreign } = table;
  const program: Instruction[] = [[LOAD, 0, 0, NUMBER]];
  if (foreign === undefined) program.push([AND, 0, 0, 0xffff_ffff - X32]);
  else program.push([FROM, 0, 1, X32], give(foreign));
  if (beyond !== undefined) program.push([GREATER, 0, 1, beyond.last], give(beyond.result));
  return [...program, ...tree(runs(table))];
}
