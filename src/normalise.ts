/**
 * Turns an argv in the manner of Go's flag package and urfave/cli v1, which runc's callers write
 * for, into one that a strict parser reads without doubt: `--name`, `--name =value`, `--`, arguments.
 */

import type { CommandName, CommandRule, FlagRule, FlagTable } from './grammar.ts';
import { UsageError } from './usage-error.ts';

/** A command line whose flags are canonical. `argv` is for oclif's parser. */
export interface Normalised {
  argv: string[];
  positionals: string[];
}

/**
 * Flags before the command. `rest` starts with the command's name; it is empty when there is none.
 */
export function normaliseGlobals(
  argv: readonly string[],
  flags: FlagTable,
): Normalised & { rest: string[] } {
  const reader = new FlagReader(flags, undefined);
  const rest = reader.readLeading([...argv]);
  return { argv: reader.canonical([]), positionals: [], rest };
}

/** Flags and arguments after the command's name. Throws a UsageError as runc does. */
export function normaliseCommand(
  name: CommandName,
  rule: CommandRule,
  argv: readonly string[],
): Normalised {
  const reader = new FlagReader(rule.flags, name);
  let positionals = reader.readLeading([...argv]);
  if (!rule.passThrough && !reader.ended) positionals = reader.readScattered(positionals);
  return { argv: reader.canonical(positionals), positionals };
}

class FlagReader {
  readonly #flags: FlagTable;
  readonly #command: CommandName | undefined;
  /** The values of each flag that was given, by its long name. */
  readonly #values = new Map<string, string[]>();
  /** A `--` ended the flags. */
  ended = false;

  constructor(flags: FlagTable, command: CommandName | undefined) {
    this.#flags = flags;
    this.#command = command;
  }

  /** Reads flags up to the first argument or behind a `--`; returns what follows. */
  readLeading(argv: string[]): string[] {
    for (;;) {
      const token = argv[0];
      if (token === undefined || token === '-' || !token.startsWith('-')) return argv;
      argv.shift();
      if (token === '--') {
        this.ended = true;
        return argv;
      }
      this.#readFlag(token, argv);
    }
  }

  /** Takes known flags out of the arguments; an unknown one counts as an argument, as in runc. */
  readScattered(argv: string[]): string[] {
    const positionals: string[] = [];
    while (argv.length > 0) {
      const token = argv.shift() ?? '';
      if (token === '--') return [...positionals, ...argv];
      if (token.startsWith('-') && this.#find(flagName(token)) !== undefined) {
        this.#readFlag(token, argv);
      } else {
        positionals.push(token);
      }
    }
    return positionals;
  }

  /**
   * The flags as oclif's parser wants them. A value gets a `=` in front, which the flag's own parse
   * function takes away: without it oclif would read a value that looks like a flag as that flag.
   */
  canonical(positionals: readonly string[]): string[] {
    const argv: string[] = [];
    for (const [name, values] of this.#values) {
      if (this.#flags[name]?.kind !== 'boolean') {
        argv.push(...values.flatMap((value) => [`--${name}`, `=${value}`]));
      } else if (values[0] === 'true') {
        argv.push(`--${name}`);
      }
    }
    return [...argv, '--', ...positionals];
  }

  #readFlag(token: string, following: string[]): void {
    const name = flagName(token);
    if (name === '' || name.startsWith('-')) throw this.#error(`bad flag syntax: ${token}`);
    const found = this.#find(name);
    if (found === undefined) throw this.#error(`flag provided but not defined: -${name}`);
    const [longName, rule] = found;
    const equals = token.indexOf('=');
    const value = equals === -1 ? undefined : token.slice(equals + 1);
    const read = this.#readValue(name, rule, value, following);
    // Of a flag that is not repeatable the last value counts, as in Go.
    const earlier = rule.kind === 'strings' ? (this.#values.get(longName) ?? []) : [];
    this.#values.set(longName, [...earlier, read]);
  }

  #readValue(name: string, rule: FlagRule, given: string | undefined, following: string[]): string {
    if (rule.kind === 'boolean') {
      const value = BOOLEANS.get(given ?? 'true');
      if (value !== undefined) return value;
      throw this.#error(`invalid boolean value ${JSON.stringify(given)} for -${name}: parse error`);
    }
    const value = given ?? following.shift();
    if (value === undefined) throw this.#error(`flag needs an argument: -${name}`);
    if (rule.kind === 'integer' && !/^[+-]?\d{1,9}$/.test(value)) {
      throw this.#error(`invalid value ${JSON.stringify(value)} for flag -${name}: parse error`);
    }
    return value;
  }

  #find(name: string): [string, FlagRule] | undefined {
    const rule = Object.hasOwn(this.#flags, name) ? this.#flags[name] : undefined;
    if (rule !== undefined) return [name, rule];
    return Object.entries(this.#flags).find(([, { char }]) => char === name);
  }

  #error(message: string): UsageError {
    return UsageError.ofFlag(message, this.#command);
  }
}

/** What Go's strconv.ParseBool reads. */
const BOOLEANS = new Map([
  ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text): [string, string] => [text, 'true']),
  ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text): [string, string] => [text, 'false']),
]);

/** `name` of `-name`, `--name` and either with `=value`. */
function flagName(token: string): string {
  const equals = token.indexOf('=');
  const flag = equals === -1 ? token : token.slice(0, equals);
  return flag.replace(/^--?/, '');
}
