/** argv -> normalised by the grammar -> oclif's parser -> typed values. */

import { parse } from '@oclif/core/parser';
import {
  COMMAND_RULES,
  type CommandArgs,
  type CommandFlags,
  type CommandName,
  type CommandRule,
  type FlagTable,
  type FlagValues,
  GLOBAL_FLAGS,
} from './grammar.ts';
import { normaliseCommand, normaliseGlobals } from './normalise.ts';
import { oclifArgs, oclifFlags } from './oclif-definitions.ts';
import { UsageError } from './usage-error.ts';

export type GlobalFlags = FlagValues<typeof GLOBAL_FLAGS>;

/** Reads the flags before the command; `rest` starts with the command's name. */
export async function parseGlobals(
  argv: readonly string[],
): Promise<{ flags: GlobalFlags; rest: string[] }> {
  const { argv: canonical, rest } = normaliseGlobals(argv, GLOBAL_FLAGS);
  return { flags: await parseFlags(canonical, GLOBAL_FLAGS, {}).then(({ flags }) => flags), rest };
}

export interface ParsedCommand<N extends CommandName> {
  flags: CommandFlags<N>;
  args: CommandArgs<N>;
  /** The arguments after those that the grammar names. */
  rest: string[];
  /** How many arguments there are. */
  given: number;
}

/**
 * Reads what follows the command's name. The number of arguments is not checked: help has
 * precedence, see checkArguments.
 */
export async function parseCommand<N extends CommandName>(
  name: N,
  argv: readonly string[],
): Promise<ParsedCommand<N>> {
  const rule: CommandRule = COMMAND_RULES[name];
  const { argv: canonical, positionals } = normaliseCommand(name, rule, argv);
  const { flags, args } = await parseFlags(canonical, rule.flags, rule.args);
  return {
    flags: flags as CommandFlags<N>,
    args: args as CommandArgs<N>,
    rest: positionals.slice(Object.keys(rule.args).length),
    given: positionals.length,
  };
}

/** Throws when there are too few or too many arguments, in runc's words. */
export function checkArguments(name: CommandName, given: number): void {
  const rule: CommandRule = COMMAND_RULES[name];
  const args = Object.values(rule.args);
  const required = args.filter((arg) => arg.required).length;
  const allowed = rule.passThrough ? Number.POSITIVE_INFINITY : args.length;
  if (given < required || given > allowed) {
    throw UsageError.ofCount(name, required, allowed, given);
  }
}

async function parseFlags<T extends FlagTable>(
  argv: string[],
  table: T,
  args: CommandRule['args'],
): Promise<{ flags: FlagValues<T>; args: Record<string, string | undefined> }> {
  const optionalArgs = Object.fromEntries(
    Object.entries(args).map(([name, arg]) => [name, { ...arg, required: false }]),
  );
  const parsed = await parse(argv, {
    flags: oclifFlags(table),
    args: oclifArgs(optionalArgs),
    strict: false,
  });
  const given: Readonly<Record<string, unknown>> = parsed.flags;
  const flags = Object.fromEntries(
    Object.entries(table).map(([name, { kind }]) => [name, given[name] ?? UNSET[kind]]),
  );
  return { flags: flags as FlagValues<T>, args: parsed.args };
}

/** What a flag is when it was not given. */
const UNSET = { boolean: false, string: undefined, strings: [], integer: undefined } as const;
