/**
 * The commands as oclif's framework wants them, for people and their shells. It loads all of
 * oclif, so nothing on an engine's path imports it.
 */

import { Command } from '@oclif/core';
import { processCaller } from './caller.ts';
import type { CommandClass } from './command.ts';
import { COMMAND_CLASSES } from './command-classes.ts';
import { COMMAND_RULES, type CommandName, type CommandRule } from './grammar.ts';
import { serve } from './main.ts';
import { oclifArgs, oclifFlags } from './oclif-definitions.ts';

/** What follows the named arguments is one more, for the help. */
function withRest({ args, passThrough }: CommandRule): CommandRule['args'] {
  if (passThrough === undefined) return args;
  const { name, summary } = passThrough;
  return { ...args, [`${name}...`]: { summary, required: false } };
}

type Texts = Pick<CommandClass<CommandName>, 'description' | 'examples'>;

/** oclif finds this by package.json (`oclif.commands`). */
export const COMMANDS = Object.fromEntries(
  Object.entries<Texts>(COMMAND_CLASSES).map(([name, texts]) => [name, oclifCommand(name, texts)]),
);

function oclifCommand(name: string, { description, examples }: Texts): typeof Command {
  const rule: CommandRule = COMMAND_RULES[name as CommandName];
  class PinionCommand extends Command {
    static override id = name;
    static override summary = rule.summary;
    static override examples = examples;
    static override flags = oclifFlags(rule.flags);
    static override args = oclifArgs(withRest(rule));

    async run(): Promise<void> {
      this.parsed = true;
      process.exitCode = await serve([name, ...this.argv], processCaller());
    }
  }
  if (description !== undefined) PinionCommand.description = description;
  // Flags behind the id would be the program's.
  if (rule.passThrough !== undefined) {
    PinionCommand.usage = `${name} [FLAGS] ID [${rule.passThrough.name.toUpperCase()}...]`;
  }
  return PinionCommand;
}
