import { OciError } from '../../oci/errors.ts';
import { EngineCommand } from '../command.ts';

export default class Checkpoint extends EngineCommand<'checkpoint'> {
  static override examples = [];

  async run(): Promise<number> {
    throw new OciError('ERR_PINION_UNSUPPORTED', 'checkpoint is not supported');
  }
}
