/**
 * Fills the bundle's compile cache. V8 caches the functions that the first process with the cache
 * has used, so one process serves every command, with a real container when that can be had.
 */

import { copyFileSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, enableCompileCache } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultConfig } from '../oci/default-config.ts';

const DIST = join(import.meta.dirname, '../dist');

async function main(): Promise<void> {
  enableCompileCache(join(DIST, 'cache'));
  const { processCaller, serve }: typeof import('../src/main.ts') = createRequire(import.meta.url)(
    join(DIST, 'main.cjs'),
  );

  const scratch = mkdtempSync(join(tmpdir(), 'pinion-warm-'));
  const nowhere = openSync('/dev/null', 'r+');
  const caller = {
    ...processCaller(),
    cwd: scratch,
    stdio: { stdin: nowhere, stdout: nowhere, stderr: nowhere },
  };
  const command = (...argv: string[]) => serve(['--root', join(scratch, 'state'), ...argv], caller);
  try {
    const bundle = makeBundle(scratch);
    const id = `warm-cache-${process.pid}`;
    await command('run', '--bundle', bundle, id);
    await command('create', '--bundle', bundle, '--pid-file', join(scratch, 'pid'), id);
    await command('start', id);
    await command('state', id);
    await command('list');
    await command('kill', id, 'KILL');
    await command('delete', '--force', id);
    await command('state', id);
    await command('help');
    await command('--version');
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function makeBundle(scratch: string): string {
  const rootfs = join(scratch, 'rootfs');
  for (const name of ['bin', 'dev', 'proc', 'sys']) {
    mkdirSync(join(rootfs, name), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(rootfs, 'bin/true'));
  const config = defaultConfig('1.0.2', undefined) as Record<string, object>;
  const process = { ...config.process, terminal: false, args: ['/bin/true'] };
  writeFileSync(join(scratch, 'config.json'), JSON.stringify({ ...config, process }));
  return scratch;
}

void main();
