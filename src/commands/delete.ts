import { remove } from '../../oci/lifecycle/remove.ts';
import { EngineCommand } from '../command.ts';

export default class Delete extends EngineCommand<'delete'> {
  static override examples = [
    '<%= config.bin %> delete web',
    '<%= config.bin %> delete --force web',
  ];

  async run(): Promise<number> {
    await remove(this.context, this.args.id, { force: this.flags.force });
    return 0;
  }
}
