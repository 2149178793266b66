/**
 * Runs the cases of an engine that starts with each of them: in namespaces of their own for mounts, network and
 * processes, which end with the case whatever it left behind.
 */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import type { Outcome } from './compare.ts';
import { execute } from './execute.ts';

/** What a case needs, as shell commands around it. */
export interface Setting {
  /** A folder of the engine. */
  directory: string;
  env: NodeJS.ProcessEnv;
  /** The program, with its options, that makes the case another user's. */
  as?: readonly string[];
  /** Starts the engine. */
  before: string;
  /** Removes its containers. */
  after: string;
}

const NAMESPACES = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** @param cases The folder of the case's script. It runs in an empty folder. */
export function runScript(cases: string, one: Case, setting: Setting): Promise<Outcome> {
  const scratch = join(setting.directory, 'scratch');
  mkdirSync(scratch, { recursive: true });
  const script = `
    PATH=$PATH:/usr/sbin:/sbin
    cd "$SCRATCH"
    ip link set lo up
    { ${setting.before} ; } >"$SCRATCH.log" 2>&1 || { cat "$SCRATCH.log" >&2; exit 125; }
    ${(setting.as ?? []).join(' ')} sh "$CASE"
    status=$?
    { ${setting.after} ; } >/dev/null 2>&1
    exit $status`;
  const env = {
    ...setting.env,
    CASE: join(cases, `${one.name}.sh`),
    SCRATCH: mkdtempSync(join(scratch, 'case-')),
  };
  const limited = ['--kill-after=5', String(one.seconds), 'unshare', ...NAMESPACES];
  const late = (one.seconds + 10) * 1000;
  return execute('timeout', [...limited, 'sh', '-c', script], late, () => {}, env);
}
