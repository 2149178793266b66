import { resolve } from 'node:path';
import { update } from '../../oci/lifecycle/update.ts';
import { EngineCommand } from '../command.ts';
import { updateResources } from '../update-resources.ts';

export default class Update extends EngineCommand<'update'> {
  static override description =
    'Limits are given by flags, or all together as linux.resources of config.json, in a file or on ' +
    'standard input (-). Sizes take units (512m, 1g); -1 is no limit.';
  static override examples = [
    '<%= config.bin %> update --memory 512m --pids-limit 100 web',
    '<%= config.bin %> update --resources limits.json web',
  ];

  async run(): Promise<number> {
    const { flags, args, context } = this;
    await update(context, args.id, this.#file(flags.resources) ?? updateResources(flags));
    return 0;
  }

  #file(given: string | undefined): string | number | undefined {
    if (given === undefined || given === '') return undefined;
    return given === '-' ? this.context.stdio.stdin : resolve(this.context.cwd, given);
  }
}
