/**
 * Bundles src/ into dist/: one file for what engines run, others with all of oclif for people.
 * `node bin/bundle.ts [COMMIT]`: the commit is shown by `--version`.
 */

import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const home = join(import.meta.dirname, '..');

/** Modules that stay files of their own, since most commands need none of them: name -> source. */
const SEPARATE: Readonly<Record<string, string>> = {
  main: 'src/main.ts',
  help: 'src/help.ts',
  oclif: 'src/oclif.ts',
  validators: 'build/oci/spec/validators.js',
};

const separate: Plugin = {
  name: 'separate',
  setup({ onResolve }) {
    onResolve({ filter: /^\.{1,2}\// }, ({ path, kind, resolveDir }) => {
      const source = relative(home, resolve(resolveDir, path));
      const found = Object.entries(SEPARATE).find(([, file]) => file === source);
      if (kind === 'entry-point' || found === undefined) return undefined;
      return { path: `./${found[0]}.cjs`, external: true };
    });
  },
};

/**
 * Lets oclif's modules load what they import when they use it, not when they start: its parser
 * imports all of the help, colours and spinners for error texts that runc's rules never let it
 * print. They are compiled by TypeScript, so each import is one line that names a variable `x_1`.
 */
const lazyImports: Plugin = {
  name: 'lazy-imports',
  setup({ onLoad }) {
    onLoad({ filter: /\/@oclif\/core\/lib\/.*\.js$/ }, ({ path }) => {
      const imports: string[] = [];
      const source = readFileSync(path, 'utf8').replace(
        /^(?:const|var) (\w+_\d+) = (.*\brequire\(.*);$/gm,
        (_, name: string, expression: string) => {
          imports.push(name);
          return `const ${name}$lazy = () => ${expression};`;
        },
      );
      if (imports.length === 0) return { contents: source };
      const uses = new RegExp(`\\b(${imports.join('|')})\\b(?!\\$lazy)`, 'g');
      return { contents: source.replace(uses, '($1$lazy())') };
    });
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
  plugins: [separate, lazyImports],
  define: {
    'import.meta.dirname': '__dirname',
    PINION_VERSION: JSON.stringify(packageVersion()),
    PINION_COMMIT: JSON.stringify(process.argv[2] ?? 'unknown'),
  },
};

await build({
  ...options,
  entryPoints: { pinion: 'src/pinion.ts', ...SEPARATE },
});

function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(home, 'package.json'), 'utf8'),
  );
  return version;
}
