import { OciError } from '../../oci/errors.ts';
import { missing } from '../../oci/lifecycle/missing.ts';
import { EngineCommand } from '../command.ts';
import { write } from '../write.ts';

export default class Events extends EngineCommand<'events'> {
  static override summary = 'tell what a container asked for in vain';
  static override examples = ['<%= config.bin %> events --missing web'];

  async run(): Promise<number> {
    const { id } = this.args;
    if (this.flags.missing !== true) {
      throw new OciError('ERR_PINION_UNSUPPORTED', 'events: only --missing is supported yet');
    }
    for (const data of await missing(this.context, id)) {
      write(this.context.stdio.stdout, `${JSON.stringify({ type: 'missing', id, data })}\n`);
    }
    return 0;
  }
}
