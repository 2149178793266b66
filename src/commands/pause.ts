import { pause } from '../../oci/lifecycle/pause.ts';
import { EngineCommand } from '../command.ts';

export default class Pause extends EngineCommand<'pause'> {
  static override examples = ['<%= config.bin %> pause web'];

  async run(): Promise<number> {
    await pause(this.context, this.args.id);
    return 0;
  }
}
