/**
 * Runs runc's own tests (tests/integration/*.bats of its built tree, which `PINION_RUNC_TESTS` names) with
 * runc, crun and Pinion as the runtime: `main.ts [FILE...]`.
 */
import { chmodSync, chownSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
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

/**
 * After so many seconds what is left of a file has failed. (A limit for each test would be one more child, for
 * which some of the tests wait.)
 */
const FILE_SECONDS = 150;

/** Below these the tests make their control groups. */
const FREEZER = '/sys/fs/cgroup/freezer/runc-cgroups-integration-test';

const tree = suiteFolder('PINION_RUNC_TESTS', 'tests/integration/helpers.bash');
const tests = join(tree, 'tests/integration');
const files = globSync('*.bats', { cwd: tests })
  .sort()
  .map((file) => ({ name: basename(file, '.bats') }));

/** Undoes what tests that failed leave: frozen processes, and the host's /dev/null given away. */
function restoreHost(): void {
  for (const state of globSync('**/freezer.state', { cwd: FREEZER })) {
    writeFileSync(join(FREEZER, state), 'THAWED');
  }
  chownSync('/dev/null', 0, 0);
}

/** The verdicts of a file's tests by their names. */
async function judgeFile(file: string, runtime: RuntimeName): Promise<Map<string, Verdict>> {
  const scratch = mkdtempSync(join(tmpdir(), 'pinion-runc-tests-'));
  // Users of other user namespaces go through it.
  chmodSync(scratch, 0o711);
  try {
    // The tests expect a terminal.
    const bats = `bats --tap '${join(tests, `${file}.bats`)}'`;
    const terminal = ['script', '-qec', bats, '/dev/null'];
    const limited = ['timeout', '--kill-after=5', String(FILE_SECONDS), ...terminal];
    const [program = 'script', ...args] = [...around(runtime), ...limited];
    const env = {
      RUNC: RUNTIMES[runtime],
      TMPDIR: scratch,
      GOARCH: 'amd64',
    };
    const outcome = await execute(program, args, (FILE_SECONDS + 10) * 1000, () => {}, env);
    const lines = outcome.stdout.matchAll(/^(not ok|ok) \d+ (.*?)(?: # (skip).*)?\r?$/gm);
    return new Map(
      Array.from(lines, ([, word, name = '', note]) => {
        const passed: Verdict = note === 'skip' ? 'skipped' : 'passed';
        return [name, word === 'ok' ? passed : 'failed'];
      }),
    );
  } finally {
    restoreHost();
    rmSync(scratch, { recursive: true, force: true });
  }
}

const results: Result[] = [];
for (const { name: file } of choose(files)) {
  const all = new Map<RuntimeName, Map<string, Verdict>>();
  for (const runtime of RUNTIME_NAMES) all.set(runtime, await judgeFile(file, runtime));
  const names = new Set([...all.values()].flatMap((verdicts) => [...verdicts.keys()]));
  for (const name of names) {
    const of = (runtime: RuntimeName) => all.get(runtime)?.get(name) ?? 'failed';
    const verdicts = { runc: of('runc'), crun: of('crun'), pinion: of('pinion') };
    results.push({ name: `${file}: ${name}`, verdicts });
  }
}
report("runc's tests", results, REASONS);
