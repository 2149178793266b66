/** The manual pages are those of the command line. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { manualPages } from '../../src/man.ts';

test('docs/man is what `npm run docs` writes', () => {
  const directory = join(import.meta.dirname, '../../docs/man');
  const written = readdirSync(directory).map((file) => [
    file,
    readFileSync(join(directory, file), 'utf8'),
  ]);
  expect(Object.fromEntries(written)).toEqual(manualPages(packageJson));
});
