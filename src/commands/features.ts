import { features } from '../../oci/features.ts';
import { EngineCommand } from '../command.ts';
import { write } from '../write.ts';

export default class ShowFeatures extends EngineCommand<'features'> {
  static override examples = ['<%= config.bin %> features'];

  async run(): Promise<number> {
    write(this.context.stdio.stdout, `${JSON.stringify(features(), undefined, 4)}\n`);
    return 0;
  }
}
