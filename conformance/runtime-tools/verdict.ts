/** What the output of a validation program says. */
import type { Outcome } from '../compare.ts';
import type { Verdict } from '../external.ts';

/** A block of diagnostics that says an error. */
const ERROR = /^ {4}"error": "./;

/**
 * Judges the TAP of a program. Diagnostics follow the line that they belong to; tests of hooks print
 * nothing but diagnostics, and only if they fail. Two programs expect that no container is made, and print
 * nothing then (`silent`).
 */
export function judge(outcome: Outcome, silent: boolean): Verdict {
  if (outcome.status !== 0) return 'failed';
  let passed = false;
  let skipped = false;
  let diagnosed = false;
  for (const line of outcome.stdout.split('\n')) {
    if (/^not ok/.test(line)) return 'failed';
    if (/^ok/.test(line)) {
      passed = true;
      diagnosed = true;
      skipped ||= / # SKIP/.test(line);
    }
    if (ERROR.test(line) && !diagnosed) return 'failed';
    if (/^ {2}\.\.\.$/.test(line)) diagnosed = false;
  }
  if (skipped && !passed) return 'skipped';
  const plan = /^1\.\.(\d+)$/m.exec(outcome.stdout);
  const ran = outcome.stdout.split('\n').filter((line) => /^ok/.test(line)).length;
  if (plan === null) return silent ? 'passed' : 'failed';
  return ran >= Number(plan[1]) ? 'passed' : 'failed';
}
