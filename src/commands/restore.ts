import { OciError } from '../../oci/errors.ts';
import { EngineCommand } from '../command.ts';

export default class Restore extends EngineCommand<'restore'> {
  static override examples = [];

  async run(): Promise<number> {
    throw new OciError('ERR_PINION_UNSUPPORTED', 'restore is not supported');
  }
}
