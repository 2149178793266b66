/** What can stand where on the command line, by the grammar's table: the same for every shell. */
import {
  COMMAND_RULES,
  type CommandRule,
  type FlagRule,
  type FlagTable,
  GLOBAL_FLAGS,
} from '../grammar.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What a shell offers for a value: names of something, these words, or nothing. */
export type Values = 'container' | 'directory' | 'file' | 'nothing' | readonly string[];

export interface FlagModel {
  readonly name: string;
  readonly char: string | undefined;
  readonly summary: string;
  /** Of its value; `undefined`: it has none. */
  readonly values: Values | undefined;
}

export interface CommandModel {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly FlagModel[];
  readonly args: readonly { name: string; values: Values }[];
  /** Whether what follows these is another program's. */
  readonly passThrough: boolean;
}

const SIGNALS = 'HUP INT QUIT ABRT KILL USR1 SEGV USR2 PIPE ALRM TERM CONT STOP TSTP WINCH';

/** Of an argument, by its name. */
const ARGUMENTS: Readonly<Record<string, Values>> = {
  id: 'container',
  signal: SIGNALS.split(' '),
  shell: SHELLS,
};

/** Of a flag's value, by what the help calls it. */
function valuesOf({ kind, value = '' }: FlagRule): Values | undefined {
  if (kind === 'boolean') return undefined;
  if (value === 'dir') return 'directory';
  if (value === 'file' || value === 'path') return 'file';
  return /^\w+(\|\w+)+$/.test(value) ? value.split('|') : 'nothing';
}

function flagsOf(table: FlagTable): FlagModel[] {
  return Object.entries(table)
    .filter(([, { hidden }]) => !hidden)
    .map(([name, rule]) => ({
      name,
      char: rule.char,
      summary: rule.summary,
      values: valuesOf(rule),
    }));
}

export const GLOBALS: readonly FlagModel[] = flagsOf(GLOBAL_FLAGS);

/** Those that make a container give it a name that is nobody's yet. */
const NEW_ID: readonly string[] = ['create', 'restore', 'run'];

export const COMMANDS: readonly CommandModel[] = Object.entries<CommandRule>(COMMAND_RULES).map(
  ([name, { summary, flags, args, passThrough }]) => ({
    name,
    summary,
    flags: flagsOf(flags),
    args: Object.keys(args).map((arg) => ({
      name: arg,
      values: arg === 'id' && NEW_ID.includes(name) ? 'nothing' : (ARGUMENTS[arg] ?? 'nothing'),
    })),
    passThrough: passThrough !== undefined,
  }),
);

/** `-b` and `--bundle`. */
export function spellings({ name, char }: FlagModel): string[] {
  return [...(char === undefined ? [] : [`-${char}`]), `--${name}`];
}

/** A word in single quotes for a shell of Bourne's kind. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
