import { kill } from '../../oci/lifecycle/kill.ts';
import { EngineCommand } from '../command.ts';

export default class Kill extends EngineCommand<'kill'> {
  static override examples = ['<%= config.bin %> kill web KILL', '<%= config.bin %> kill web 15'];

  async run(): Promise<number> {
    const { id, signal } = this.args;
    await kill(this.context, id, signal ?? 'SIGTERM', { all: this.flags.all });
    return 0;
  }
}
