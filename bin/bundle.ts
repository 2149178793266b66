/** Bundles src/ into dist/: one file for what engines run, others with all of oclif for people. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, type BuildOptions, type Plugin } from 'esbuild';

const home = join(import.meta.dirname, '..');

/** Modules that stay files of their own: what is not always needed, and what the cache is for. */
const SEPARATE = ['entry', 'help', 'oclif'];

const separate: Plugin = {
  name: 'separate',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`^\\./(${SEPARATE.join('|')})\\.ts$`) }, ({ path, kind }) =>
      kind === 'entry-point' ? undefined : { path: path.replace(/ts$/, 'cjs'), external: true },
    );
  },
};

const options: BuildOptions = {
  absWorkingDir: home,
  bundle: true,
  platform: 'node',
  target: 'node24',
  // CommonJS starts some milliseconds sooner than ES modules do.
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  outdir: 'dist',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  // import() of a file would start the loader of ES modules.
  supported: { 'dynamic-import': false },
  plugins: [separate],
  define: {
    'import.meta.dirname': '__dirname',
    PINION_VERSION: JSON.stringify(packageVersion()),
    PINION_COMMIT: JSON.stringify(commit()),
  },
};

await build({
  ...options,
  entryPoints: ['pinion', ...SEPARATE].map(name => `src/${name}.ts`),
});

function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(home, 'package.json'), 'utf8'),
  );
  return version;
}

/** The commit that is checked out; `unknown` when this is not a git checkout. */
function commit(): string {
  try {
    const options = { cwd: home, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] } as const;
    return execFileSync('git', ['rev-parse', 'HEAD'], options).trim();
  } catch {
    return 'unknown';
  }
}
