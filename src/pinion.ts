/** The bundle's first file: sets up the compile cache, which halves the start, then goes on. */

import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Beside the bundle, as root-owned as that; a folder that cannot be written is no error.
enableCompileCache(join(import.meta.dirname, 'cache'));
void import('./entry.ts');
