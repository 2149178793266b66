/**
 * Runs the checks and every suite and adds up what they report: `node bin/test.ts [SETUP STATUS]`.
 * A suite that ends badly without a failed test counts as one failure.
 */

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runChecks } from './checks.ts';

const HOME = join(import.meta.dirname, '..');
const RESULTS = join(HOME, 'build/test');

interface Count {
  passed: number;
  failed: number;
}

/** Runs a program with its output shown; returns its exit status and what it wrote to stdout. */
function run(
  program: string,
  args: readonly string[],
): Promise<{ status: number; stdout: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: HOME, stdio: ['ignore', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      process.stdout.write(text);
    });
    child.on('error', (error) => resolve({ status: 1, stdout: error.message }));
    child.on('close', (status) => resolve({ status: status ?? 1, stdout }));
  });
}

/** The part of vitest's JSON report that counts. */
interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

async function vitest(project: string): Promise<Count> {
  const file = join(RESULTS, `${project}.json`);
  rmSync(file, { force: true });
  const { status } = await run('node_modules/.bin/vitest', [
    ...['run', '--project', project, '--passWithNoTests'],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${file}`],
  ]);
  const count = { passed: 0, failed: 0 };
  try {
    const report: VitestReport = JSON.parse(readFileSync(file, 'utf8'));
    // A file that cannot even be loaded has no tests, but failed.
    const broken = report.testResults.filter(
      (result) => result.status === 'failed' && result.assertionResults.length === 0,
    );
    count.passed = report.numPassedTests;
    count.failed = report.numFailedTests + broken.length;
  } catch (error) {
    process.stdout.write(`vitest ${project} left no report: ${String(error)}\n`);
  }
  return atLeastOneFailure(count, status);
}

async function cargoTest(): Promise<Count> {
  const { status, stdout } = await run('bin/cargo', ['test', '--quiet', '--no-fail-fast']);
  const count = { passed: 0, failed: 0 };
  for (const [, passed, failed] of stdout.matchAll(
    /^test result: \w+\. (\d+) passed; (\d+) failed;/gm,
  )) {
    count.passed += Number(passed);
    count.failed += Number(failed);
  }
  return atLeastOneFailure(count, status);
}

function atLeastOneFailure({ passed, failed }: Count, status: number): Count {
  return { passed, failed: status !== 0 && failed === 0 ? 1 : failed };
}

async function main(): Promise<void> {
  mkdirSync(RESULTS, { recursive: true });
  // Three fuzzers at the border between guest and monitor: a minute in all.
  process.env.PINION_FUZZ_SECONDS ??= '20';
  const setup = { passed: 0, failed: (process.argv[2] ?? '0') === '0' ? 0 : 1 };
  const counts = [
    setup,
    runChecks(),
    await vitest('unit'),
    await cargoTest(),
    await vitest('integration'),
  ];
  const passed = counts.reduce((sum, count) => sum + count.passed, 0);
  const failed = counts.reduce((sum, count) => sum + count.failed, 0);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

void main();
