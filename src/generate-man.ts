/** Writes `docs/man/`: `node src/generate-man.ts`, after a change of the command line. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { manualPages } from './man.ts';

const directory = join(import.meta.dirname, '../docs/man');
mkdirSync(directory, { recursive: true });
for (const old of readdirSync(directory)) rmSync(join(directory, old));
for (const [file, text] of Object.entries(manualPages(packageJson))) {
  writeFileSync(join(directory, file), text);
}
