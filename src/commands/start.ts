import { start } from '../../oci/lifecycle/start.ts';
import { EngineCommand } from '../command.ts';

export default class Start extends EngineCommand<'start'> {
  static override examples = ['<%= config.bin %> start web'];

  async run(): Promise<number> {
    await start(this.context, this.args.id);
    return 0;
  }
}
