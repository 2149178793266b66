/**
 * Runs shell scripts that use docker(1), of an engine whose runtime is Pinion and of one with runc, and
 * compares what they print and how they end: `main.ts [CASE...]`.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, readCases } from '../cases.ts';
import { choose, compareAll, type Outcome, PINION, RUNC } from '../compare.ts';
import { execute } from '../execute.ts';
import { Engine } from './engine.ts';

const CASES = join(import.meta.dirname, 'cases');

const cases = choose(readCases(CASES));
const engines = new Map([PINION, RUNC].map((runtime) => [runtime, new Engine(runtime)]));

function runCase(runtime: string, { name, seconds }: Case): Promise<Outcome> {
  const script = `
    PATH=$PATH:/usr/sbin:/sbin
    cd "$SCRATCH"
    sh "$CASE"
    status=$?
    docker ps -aq | xargs -r docker rm -f >/dev/null 2>&1
    exit $status`;
  const engine = engines.get(runtime);
  if (engine === undefined) throw new Error(`no engine for ${runtime}`);
  const env = {
    CASE: join(CASES, `${name}.sh`),
    DAEMON: engine.directory,
    // The builder that runs its steps by the engine's runtime.
    DOCKER_BUILDKIT: '0',
    DOCKER_HOST: engine.socket,
    SCRATCH: mkdtempSync(join(engine.scratch, 'case-')),
  };
  const limited = ['--kill-after=5', String(seconds), 'sh', '-c', script];
  return execute('timeout', limited, (seconds + 10) * 1000, () => {}, env);
}

try {
  for (const engine of engines.values()) await engine.prepare();
  await compareAll(cases, runCase);
} finally {
  for (const engine of engines.values()) await engine.stop();
}
