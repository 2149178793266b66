/**
 * The commands as oclif's framework wants them, for people and their shells. It loads all of
 * oclif, so nothing on an engine's path imports it.
 */

import { Command } from '@oclif/core';
import { processCaller } from './caller.ts';
import type { CommandClass } from './command.ts';
import checkpoint from './commands/checkpoint.ts';
import create from './commands/create.ts';
import remove from './commands/delete.ts';
import doctor from './commands/doctor.ts';
import events from './commands/events.ts';
import exec from './commands/exec.ts';
import features from './commands/features.ts';
import kill from './commands/kill.ts';
import list from './commands/list.ts';
import pause from './commands/pause.ts';
import ps from './commands/ps.ts';
import restore from './commands/restore.ts';
import resume from './commands/resume.ts';
import run from './commands/run.ts';
import spec from './commands/spec.ts';
import start from './commands/start.ts';
import state from './commands/state.ts';
import update from './commands/update.ts';
import { COMMAND_RULES, type CommandName, type CommandRule } from './grammar.ts';
import { serve } from './main.ts';
import { oclifArgs, oclifFlags } from './oclif-definitions.ts';

const CLASSES: { readonly [N in CommandName]: CommandClass<N> } = {
  checkpoint,
  create,
  delete: remove,
  doctor,
  events,
  exec,
  features,
  kill,
  list,
  pause,
  ps,
  restore,
  resume,
  run,
  spec,
  start,
  state,
  update,
};

/** What follows the named arguments is one more, for the help. */
function withRest({ args, passThrough }: CommandRule): CommandRule['args'] {
  if (passThrough === undefined) return args;
  const { name, summary } = passThrough;
  return { ...args, [`${name}...`]: { summary, required: false } };
}

type Texts = Pick<CommandClass<CommandName>, 'summary' | 'description' | 'examples'>;

/** oclif finds this by package.json (`oclif.commands`). */
export const COMMANDS = Object.fromEntries(
  Object.entries<Texts>(CLASSES).map(([name, texts]) => [name, oclifCommand(name, texts)]),
);

function oclifCommand(name: string, { summary, description, examples }: Texts): typeof Command {
  const rule: CommandRule = COMMAND_RULES[name as CommandName];
  class PinionCommand extends Command {
    static override id = name;
    static override summary = summary;
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
