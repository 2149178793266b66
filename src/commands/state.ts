import { state } from '../../oci/lifecycle/state.ts';
import { EngineCommand } from '../command.ts';
import { write } from '../write.ts';

export default class State extends EngineCommand<'state'> {
  static override examples = ['<%= config.bin %> state web'];

  async run(): Promise<number> {
    const found = await state(this.context, this.args.id);
    // runc's form: indented by two, no newline at the end.
    write(this.context.stdio.stdout, JSON.stringify(found, undefined, 2));
    return 0;
  }
}
