/** All commands: only what people read needs more than one of them. */

import type { CommandClass } from './command.ts';
import checkpoint from './commands/checkpoint.ts';
import completion from './commands/completion.ts';
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
import type { CommandName } from './grammar.ts';

export const COMMAND_CLASSES: { readonly [N in CommandName]: CommandClass<N> } = {
  checkpoint,
  completion,
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
