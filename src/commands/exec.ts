import { resolve } from 'node:path';
import { type ExecOptions, exec } from '../../oci/lifecycle/exec.ts';
import { EngineCommand } from '../command.ts';

export default class Exec extends EngineCommand<'exec'> {
  static override description =
    'The program runs in a microVM of its own, in the namespaces and control groups of the ' +
    'container. It is given by its name and arguments, with everything else as the container’s ' +
    'own process has it but for the flags, or as a process of config.json in a file. Without ' +
    '--detach the command waits for it, passes signals on to it, and ends with its exit status.';
  static override examples = [
    '<%= config.bin %> exec web ls -l /',
    '<%= config.bin %> exec --user 1000:1000 --env TERM=xterm --tty web sh',
    '<%= config.bin %> exec --process process.json --detach --pid-file exec.pid web',
  ];

  async run(): Promise<number> {
    return await exec(this.context, this.#options());
  }

  #options(): ExecOptions {
    const { flags, args } = this;
    const path = (given: string | undefined): string | undefined =>
      given === undefined || given === '' ? undefined : resolve(this.context.cwd, given);
    return {
      id: args.id,
      process: path(flags.process) ?? {
        args: this.rest,
        env: flags.env,
        cwd: flags.cwd,
        user: flags.user,
        additionalGids: flags['additional-gids'],
        capabilities: flags.cap,
        noNewPrivileges: flags['no-new-privs'],
        apparmorProfile: flags.apparmor,
        selinuxLabel: flags['process-label'],
        tty: flags.tty,
      },
      detach: flags.detach,
      pidFile: path(flags['pid-file']),
      consoleSocket: path(flags['console-socket']),
      preserveFds: flags['preserve-fds'] ?? 0,
      cgroups: flags.cgroup,
      ignorePaused: flags['ignore-paused'],
    };
  }
}
