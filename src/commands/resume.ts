import { resume } from '../../oci/lifecycle/pause.ts';
import { EngineCommand } from '../command.ts';

export default class Resume extends EngineCommand<'resume'> {
  static override examples = ['<%= config.bin %> resume web'];

  async run(): Promise<number> {
    await resume(this.context, this.args.id);
    return 0;
  }
}
