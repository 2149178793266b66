/** The engines that are installed, and whether they know of this runtime. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Context } from '../context.ts';
import type { Finding } from './index.ts';
import { readText } from './text.ts';

/** Programs, and where their configuration names runtimes. */
const ENGINES = [
  { program: 'dockerd', files: ['/etc/docker/daemon.json'] },
  {
    program: 'podman',
    files: ['/etc/containers/containers.conf', '/usr/share/containers/containers.conf'],
  },
  { program: 'buildah', files: ['/etc/containers/containers.conf'] },
  { program: 'containerd', files: ['/etc/containerd/config.toml'] },
  { program: 'crio', files: ['/etc/crio/crio.conf'] },
] as const;

/** Where they may be though PATH does not say so. */
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin'];

const PATIENCE = 5000;

export async function checkEngines({ env }: Context): Promise<Finding[]> {
  const folders = [...(env.PATH ?? '').split(':').filter(Boolean), ...FOLDERS];
  const found = await Promise.all(
    ENGINES.map(async ({ program, files }): Promise<Finding[]> => {
      const path = folders.map((folder) => join(folder, program)).find(isExecutable);
      if (path === undefined) return [];
      const version = await versionOf(path);
      const knows = files.some((file) => readText(file).includes('pinion'));
      const text = knows ? version : `${version}; to use this runtime see README.md`;
      return [{ state: 'good', subject: program, text }];
    }),
  );
  if (found.flat().length > 0) return found.flat();
  const names = ENGINES.map(({ program }) => program).join(', ');
  return [{ state: 'note', subject: 'engines', text: `none found (${names})` }];
}

async function versionOf(path: string): Promise<string> {
  try {
    const options = { timeout: PATIENCE, env: {} };
    const { stdout } = await promisify(execFile)(path, ['--version'], options);
    return /\d+\.\d[\w.+~-]*/.exec(stdout)?.[0] ?? 'version unknown';
  } catch {
    return 'version unknown';
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
