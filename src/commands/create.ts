import { create } from '../../oci/lifecycle/create.ts';
import { EngineCommand } from '../command.ts';
import { createOptions } from '../create-options.ts';

export default class Create extends EngineCommand<'create'> {
  static override description =
    'Creates a container from the bundle and leaves its program waiting for start. ' +
    'The container has the standard streams of this command.';
  static override examples = ['<%= config.bin %> create --bundle /path/to/bundle web'];

  async run(): Promise<number> {
    await create(this.context, createOptions(this.flags, this.args.id, this.context.cwd));
    return 0;
  }
}
