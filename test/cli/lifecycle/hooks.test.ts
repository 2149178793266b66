/** Hooks of real containers: where they run, what they are told, and what their failures do. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Container } from './container.ts';

const RUNTIME_KINDS = ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'];

/** Every hook of the runtime's side writes its name, input and namespaces to files in `$BASE`. */
const RECORD = [
  'echo $KIND >> $BASE/order',
  'cat > $BASE/$KIND.state',
  'readlink /proc/self/ns/mnt > $BASE/$KIND.mnt',
  'pwd > $BASE/$KIND.cwd',
].join('\n');

function withHooks(hooks: Record<string, string>): Container {
  return new Container({
    edit: (config) => {
      config.hooks = Object.fromEntries(
        Object.entries(hooks).map(([kind, script]) => [kind, [hook(kind, script, config)]]),
      );
    },
  });
}

/** The base directory is known only later: hooks find it beside the annotation file. */
function hook(kind: string, script: string, config: { linux: Record<string, unknown> }) {
  const base = `/tmp/${String(config.linux.cgroupsPath).slice(1)}`;
  const args = ['sh', '-c', `mkdir -p $BASE\n${script}`];
  return { path: '/bin/sh', args, env: [`BASE=${base}`, `KIND=${kind}`, 'PATH=/usr/bin:/bin'] };
}
