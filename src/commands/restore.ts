import { OciError } from '../../oci/errors.ts';
import { EngineCommand } from '../command.ts';

export default class Restore extends EngineCommand<'restore'> {
  static override summary = 'create a container from files with its state (not supported)';
  static override examples = [];

  async run(): Promise<number> {
    throw new OciError('ERR_PINION_UNSUPPORTED', 'restore is not supported');
  }
}
