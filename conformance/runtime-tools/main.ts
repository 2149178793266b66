/**
 * Runs the validation programs of opencontainers/runtime-tools, whose built tree `PINION_RUNTIME_TOOLS`
 * names, under runc, crun and Pinion: `main.ts [TEST...]`.
 */
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { choose } from '../compare.ts';
import { execute } from '../execute.ts';
import {
  around,
  type Result,
  RUNTIME_NAMES,
  RUNTIMES,
  type RuntimeName,
  report,
  suiteFolder,
  type Verdict,
} from '../external.ts';
import { REASONS } from './reasons.ts';
import { judge } from './verdict.ts';

/** After so many seconds a program has failed. */
const SECONDS = 90;

/** Programs that expect that `create` refuses their configuration. */
const SILENT = ['process_rlimits_fail', 'process_capabilities_fail'];

const tree = suiteFolder('PINION_RUNTIME_TOOLS', 'runtimetest');
const tests = globSync('validation/*/*.t', { cwd: tree })
  .sort()
  .map((path) => ({ name: basename(path, '.t'), path }));

async function judgeTest(path: string, runtime: RuntimeName): Promise<Verdict> {
  const command = `cd '${tree}' && exec timeout --kill-after=5 ${SECONDS} './${path}'`;
  const [program = 'sh', ...args] = [...around(runtime), 'sh', '-c', command];
  const env = { RUNTIME: RUNTIMES[runtime] };
  const outcome = await execute(program, args, (SECONDS + 10) * 1000, () => {}, env);
  return judge(outcome, SILENT.includes(basename(path, '.t')));
}

const results: Result[] = [];
for (const { name, path } of choose(tests)) {
  const verdicts: Result['verdicts'] = { runc: 'failed', crun: 'failed', pinion: 'failed' };
  for (const runtime of RUNTIME_NAMES) verdicts[runtime] = await judgeTest(path, runtime);
  results.push({ name, verdicts });
}
report('runtime-tools validation', results, REASONS);
