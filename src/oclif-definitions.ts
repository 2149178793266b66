/** oclif's definitions of flags and arguments, made from the grammar's table. */

import type { Interfaces } from '@oclif/core';
import type { CommandRule, FlagRule, FlagTable } from './grammar.ts';

type OclifFlag = Interfaces.BooleanFlag<boolean> | Interfaces.OptionFlag<unknown>;

export function oclifFlags(table: FlagTable): Record<string, OclifFlag> {
  return Object.fromEntries(
    Object.entries(table).map(([name, rule]) => [name, oclifFlag(name, rule)]),
  );
}

export function oclifArgs(args: CommandRule['args']): Record<string, Interfaces.Arg<string>> {
  return Object.fromEntries(
    Object.entries(args).map(([name, { summary, required }]) => [
      name,
      // Without ignoreStdin oclif reads a missing argument from stdin, which is the container's.
      {
        name,
        description: summary,
        required,
        ignoreStdin: true,
        input: [],
        parse: async (input: string) => input,
      },
    ]),
  );
}

function oclifFlag(name: string, rule: FlagRule): OclifFlag {
  const common = {
    name,
    summary: rule.summary,
    hidden: rule.hidden ?? false,
    ...(rule.char === undefined ? {} : { char: rule.char }),
  };
  if (rule.kind === 'boolean') {
    return { ...common, type: 'boolean', allowNo: false, parse: async (value) => value };
  }
  const read = rule.kind === 'integer' ? Number : String;
  return {
    ...common,
    type: 'option',
    multiple: rule.kind === 'strings',
    multipleNonGreedy: true,
    helpValue: rule.value ?? 'value',
    input: [],
    // The normaliser put a `=` in front of every value.
    parse: async (input) => read(input.slice(1)),
  };
}
