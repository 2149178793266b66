/** The command line from end to end. It touches no process globals: all comes from the caller. */

import { join, resolve } from 'node:path';
import type { Context, Logger } from '../oci/context.ts';
import { messageOf, OciError } from '../oci/errors.ts';
import { type Caller, processCaller } from './caller.ts';
import type { CommandClass } from './command.ts';
import { checkArguments, type GlobalFlags, parseCommand, parseGlobals } from './command-line.ts';
import { type CommandName, isCommandName } from './grammar.ts';
import { createLogger } from './log.ts';
import { UsageError } from './usage-error.ts';
import { versionText } from './version.ts';
import { write } from './write.ts';

export { processCaller };

/** Each command is a module of its own, so that an operation loads nothing else. */
const COMMANDS: { readonly [N in CommandName]: () => Promise<{ default: CommandClass<N> }> } = {
  checkpoint: () => import('./commands/checkpoint.ts'),
  completion: () => import('./commands/completion.ts'),
  create: () => import('./commands/create.ts'),
  delete: () => import('./commands/delete.ts'),
  doctor: () => import('./commands/doctor.ts'),
  events: () => import('./commands/events.ts'),
  exec: () => import('./commands/exec.ts'),
  features: () => import('./commands/features.ts'),
  kill: () => import('./commands/kill.ts'),
  list: () => import('./commands/list.ts'),
  pause: () => import('./commands/pause.ts'),
  ps: () => import('./commands/ps.ts'),
  restore: () => import('./commands/restore.ts'),
  resume: () => import('./commands/resume.ts'),
  run: () => import('./commands/run.ts'),
  spec: () => import('./commands/spec.ts'),
  start: () => import('./commands/start.ts'),
  state: () => import('./commands/state.ts'),
  update: () => import('./commands/update.ts'),
};

/** Serves one command line (without the program's name) and returns the exit status. */
export async function serve(argv: readonly string[], caller: Caller): Promise<number> {
  const { stdio } = caller;
  let log = createLogger({ file: undefined, format: 'text', debug: false, stderr: stdio.stderr });
  try {
    const { flags, rest } = await parseGlobals(argv);
    if (flags.version) {
      write(stdio.stdout, versionText());
      return 0;
    }
    const [name, ...following] = rest;
    if (flags.help || name === undefined) return await showHelp([], caller);
    if (name === 'help' || name === 'h') return await showHelp(following, caller);

    const file = flags.log ? resolve(caller.cwd, flags.log) : undefined;
    const format = flags['log-format'];
    log = createLogger({ file, format, debug: flags.debug, stderr: stdio.stderr });
    if (!isCommandName(name)) throw noHelpTopic(name);
    return await execute(name, following, contextOf(flags, caller, log), caller);
  } catch (error) {
    return await fail(error, log, caller);
  }
}

async function execute<N extends CommandName>(
  name: N,
  argv: readonly string[],
  context: Context,
  caller: Caller,
): Promise<number> {
  const { flags, args, rest, given } = await parseCommand(name, argv);
  if ('help' in flags && flags.help) return await showHelp([name], caller);
  checkArguments(name, given);
  const { default: Command } = await COMMANDS[name]();
  return await new Command({ flags, args, rest, context, caller }).run();
}

function contextOf(flags: GlobalFlags, caller: Caller, log: Logger): Context {
  const { cwd, env, stdio, signals, pid, home, rootless } = caller;
  return {
    root: stateRoot(flags.root, caller),
    cwd,
    env,
    stdio,
    log,
    signals,
    pid,
    monitor: join(home, 'target/release/pinion-vmm'),
    kernel: join(home, 'target/release/pinion-unikernel'),
    addon: join(home, 'native/build/Release/pinion.node'),
    rootless,
    systemdCgroup: flags['systemd-cgroup'] || flags['cgroup-manager'] === 'systemd',
    debug: flags.debug,
  };
}

/** The state directory: `--root`, or one for root or for a user, as runc(8) has it. */
function stateRoot(given: string | undefined, { cwd, env, euid, rootless }: Caller): string {
  const runtimeDir = env.XDG_RUNTIME_DIR;
  // Root of a user namespace says by USER whether it is a user's engine or would be root.
  const isUser = euid !== 0 || (rootless && env.USER !== 'root');
  const root =
    given !== undefined
      ? resolve(cwd, given)
      : isUser && runtimeDir
        ? join(runtimeDir, 'pinion')
        : '/run/pinion';
  if (root === '/') {
    throw new OciError('ERR_PINION_ROOT', 'Option --root argument should not be set to /');
  }
  return root;
}

/** Exactly one error record for a failure, after the usage if the command line was wrong. */
async function fail(error: unknown, log: Logger, caller: Caller): Promise<number> {
  if (error instanceof UsageError) {
    write(caller.stdio.stdout, `${error.heading}\n\n`);
    await showHelp(error.command === undefined ? [] : [error.command], caller);
  }
  if (error instanceof OciError) {
    log.error(error.hint === undefined ? error.message : `${error.message} (${error.hint})`);
    return error.exitCode;
  }
  log.error(messageOf(error));
  if (error instanceof Error && error.stack !== undefined) log.debug(error.stack);
  return 1;
}

async function showHelp(topic: readonly string[], caller: Caller): Promise<number> {
  const [name] = topic;
  if (name !== undefined && !isCommandName(name)) throw noHelpTopic(name);
  const { printHelp } = await import('./help.ts');
  await printHelp(name, caller.home, (text) => write(caller.stdio.stdout, text));
  return 0;
}

function noHelpTopic(name: string): OciError {
  return new OciError('ERR_PINION_NO_COMMAND', `No help topic for '${name}'`, { exitCode: 3 });
}
