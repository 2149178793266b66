import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../context.ts';
import { errnoOf, OciError, systemError } from '../errors.ts';
import { type Config, parseConfig } from '../spec/index.ts';

/**
 * Reads config.json once: nothing that happens to it later counts.
 * @param bundle Absolute.
 */
export function readBundle(bundle: string, log: Logger): Config {
  try {
    if (!statSync(bundle).isDirectory()) {
      throw new OciError('ERR_PINION_BUNDLE', `chdir ${bundle}: not a directory`);
    }
  } catch (error) {
    throw error instanceof OciError ? error : systemError(`chdir ${bundle}`, error);
  }
  const file = join(bundle, 'config.json');
  try {
    return parseConfig(readFileSync(file), {
      onUnknown: (path) => log.debug(`config.json: unknown property ${path} is ignored`),
    });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new OciError('ERR_PINION_BUNDLE', 'JSON specification file config.json not found');
    }
    throw error instanceof OciError ? error : systemError(`open ${file}`, error);
  }
}
