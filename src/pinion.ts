/** The process that a person or an engine starts: the bundle's first file. */

import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Beside the bundle and written by the set-up; a folder that cannot be written is no error.
enableCompileCache(join(import.meta.dirname, 'cache'));

void import('./main.ts')
  .then(({ processCaller, serve }) => serve(process.argv.slice(2), processCaller()))
  // All is done and written: taking the interpreter apart would only cost time.
  .then((status) => process.exit(status));
