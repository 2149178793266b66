import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { defaultConfig } from '../../oci/default-config.ts';
import { errnoOf, OciError, systemError } from '../../oci/errors.ts';
import { EngineCommand } from '../command.ts';

/** The newest version of the specification whose properties the written config uses. */
const CONFIG_VERSION = '1.0.2';

export default class Spec extends EngineCommand<'spec'> {
  static override description =
    'The program is sh with a terminal: set process.args, and process.terminal to false to run it ' +
    'without a console socket.';
  static override examples = ['<%= config.bin %> spec --bundle /path/to/bundle'];

  async run(): Promise<number> {
    const { cwd, euid, egid } = this.caller;
    const rootless = this.flags.rootless ? { uid: euid, gid: egid } : undefined;
    const text = `${JSON.stringify(defaultConfig(CONFIG_VERSION, rootless), undefined, '\t')}\n`;
    const directory = resolve(cwd, this.flags.bundle ?? '.');
    try {
      writeFileSync(join(directory, 'config.json'), text, { flag: 'wx', mode: 0o666 });
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') {
        const message = 'File config.json exists. Remove it first';
        throw new OciError('ERR_PINION_CONFIG_EXISTS', message, { cause: error });
      }
      throw systemError(`open ${join(directory, 'config.json')}`, error);
    }
    return 0;
  }
}
