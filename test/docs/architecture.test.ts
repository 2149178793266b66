/** What the documents name exists. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const HOME = join(import.meta.dirname, '../..');
const DOCUMENTS = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync(join(HOME, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

/** Made by the build: not there in a fresh checkout. */
const BUILT = new Set(['build', 'dist', 'node_modules', 'target']);
const FOLDERS = readdirSync(HOME, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !BUILT.has(entry.name) && entry.name !== '.git')
  .map(({ name }) => name);

/** `src/main.ts`, `vmm/`: a path below a folder of the repository. */
function isPath(text: string): boolean {
  const [first = '', ...rest] = text.split('/');
  return rest.length > 0 && FOLDERS.includes(first) && /^[\w./-]+$/.test(text);
}

describe.each(DOCUMENTS)('%s', (document) => {
  const text = readFileSync(join(HOME, document), 'utf8');

  test('names paths that exist', () => {
    const paths = [...text.matchAll(/`([^`\s]+)`/g)].map(([, path = '']) => path).filter(isPath);
    expect(paths.filter((path) => !existsSync(join(HOME, path)))).toEqual([]);
  });

  test('links to files that exist', () => {
    const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, link = '']) => link);
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    const from = join(HOME, dirname(document));
    expect(local.filter((link) => !existsSync(join(from, link)))).toEqual([]);
  });

  test('names functions that stand in the file before them', () => {
    const missing = [...text.matchAll(/`([\w./-]+\.\w+)`,?\s+\(?`(\w+)`\)/g)]
      .filter(([, path = '']) => isPath(path))
      .filter(([, path = '', name = '']) => !declares(readFileSync(join(HOME, path), 'utf8'), name))
      .map(([, path, name]) => `${path}: ${name}`);
    expect(missing).toEqual([]);
  });
});

function declares(source: string, name: string): boolean {
  return new RegExp(`\\b(fn|function|const) ${name}\\b|^${name}:`, 'm').test(source);
}
