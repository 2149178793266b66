import { OciError } from '../../oci/errors.ts';
import { processes, processTable } from '../../oci/lifecycle/processes.ts';
import { EngineCommand } from '../command.ts';
import { write } from '../write.ts';

export default class Ps extends EngineCommand<'ps'> {
  static override description =
    'Each is the monitor of one process of the container, by its id on the host. The table is what ' +
    'ps(1) says of them, with the options given (default: -ef).';
  static override examples = [
    '<%= config.bin %> ps web',
    '<%= config.bin %> ps web -o pid,rss,comm',
    '<%= config.bin %> ps --format json web',
  ];

  async run(): Promise<number> {
    write(this.context.stdio.stdout, this.#render());
    return 0;
  }

  #render(): string {
    const { context, args, rest } = this;
    const pids = processes(context, args.id);
    switch (this.flags.format ?? 'table') {
      case 'table':
        return processTable(context, pids, rest);
      case 'json':
        // Go's encoding of an empty slice, which callers know from runc.
        return pids.length === 0 ? 'null\n' : `${JSON.stringify(pids)}\n`;
      default:
        throw new OciError('ERR_PINION_PS_FORMAT', 'invalid format option');
    }
  }
}
