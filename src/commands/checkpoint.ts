import { OciError } from '../../oci/errors.ts';
import { EngineCommand } from '../command.ts';

export default class Checkpoint extends EngineCommand<'checkpoint'> {
  static override summary = 'write the state of a running container to files (not supported)';
  static override examples = [];

  async run(): Promise<number> {
    throw new OciError('ERR_PINION_UNSUPPORTED', 'checkpoint is not supported');
  }
}
