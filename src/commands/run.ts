import { run } from '../../oci/lifecycle/run.ts';
import { EngineCommand } from '../command.ts';
import { createOptions } from '../create-options.ts';

export default class Run extends EngineCommand<'run'> {
  static override description =
    'Creates a container from the bundle and starts its program. Without --detach it waits for ' +
    'the program, passes signals on to it, and ends with its exit status.';
  static override examples = [
    '<%= config.bin %> run --bundle /path/to/bundle web',
    '<%= config.bin %> run --detach --pid-file web.pid web',
  ];

  async run(): Promise<number> {
    const { flags, args, context } = this;
    return await run(context, {
      ...createOptions(flags, args.id, context.cwd),
      detach: flags.detach,
      keep: flags.keep,
    });
  }
}
