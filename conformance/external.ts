/**
 * A suite that others wrote, built outside of this repository: its folder is told by an environment
 * variable, its tests run under three runtimes, and `docs/conformance.md` has a section for it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PINION, RUNC } from './compare.ts';

const DOCUMENT = join(import.meta.dirname, '../docs/conformance.md');

export type RuntimeName = 'runc' | 'crun' | 'pinion';

/** What a test came to; a skipped one told itself that this machine lacks what it needs. */
export type Verdict = 'passed' | 'failed' | 'skipped';

export interface Result {
  name: string;
  verdicts: Record<RuntimeName, Verdict>;
}

/** Programs of the runtimes, by name. */
export const RUNTIMES: Record<RuntimeName, string> = { runc: RUNC, crun: 'crun', pinion: PINION };

export const RUNTIME_NAMES: readonly RuntimeName[] = ['runc', 'crun', 'pinion'];

/**
 * The words before a command line that a runtime needs to work on this machine: crun 1.8 starts
 * nothing where a unified hierarchy beside those of version 1 owns a controller.
 */
export function around(runtime: RuntimeName): string[] {
  if (runtime !== 'crun') return [];
  const hide = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"';
  return ['unshare', '--mount', 'sh', '-c', hide, 'sh'];
}

/** The folder that a variable names. Ends the process if there is none, or if it lacks `file`. */
export function suiteFolder(variable: string, file: string): string {
  const folder = process.env[variable] ?? '';
  if (existsSync(join(folder, file)) && folder !== '') return folder;
  process.stderr.write(
    `conformance: ${variable} must name the built suite's folder (with ${file})\n`,
  );
  process.exit(2);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function count(results: readonly Result[], runtime: RuntimeName, verdict: Verdict): number {
  return results.filter((result) => result.verdicts[runtime] === verdict).length;
}

/** A table of the results as Markdown, and a line with their sums. */
function table(results: readonly Result[], reasons: Readonly<Record<string, string>>): string[] {
  const cell = (result: Result) => (runtime: RuntimeName) => {
    const verdict = result.verdicts[runtime];
    return verdict === 'passed' ? 'ok' : verdict === 'failed' ? '**fails**' : 'skipped';
  };
  const sums = RUNTIME_NAMES.map((runtime) => {
    const of = (verdict: Verdict) => count(results, runtime, verdict);
    return `${runtime} passes ${of('passed')}, fails ${of('failed')}, skips ${of('skipped')}`;
  });
  return [
    `${results.length} tests: ${sums.join('; ')}.`,
    '',
    row(['test', ...RUNTIME_NAMES, 'why not']),
    row(['---', '---', '---', '---', '---']),
    ...results.map((result) => {
      const reason =
        result.verdicts.pinion === 'failed' ? (reasons[result.name] ?? 'not known') : '';
      return row([result.name, ...RUNTIME_NAMES.map(cell(result)), reason]);
    }),
  ];
}

/** Puts a section with the results in the place of the one with the same title. */
function document(title: string, lines: readonly string[]): void {
  const sections = readFileSync(DOCUMENT, 'utf8').split(/^(?=## )/m);
  const section = `## ${title}\n\n${lines.join('\n')}\n`;
  const at = sections.findIndex((text) => text.startsWith(`## ${title}\n`));
  if (at === -1) sections.push(section);
  else sections[at] = section;
  writeFileSync(DOCUMENT, sections.map((text) => `${text.trimEnd()}\n`).join('\n'));
}

/**
 * Prints the results and sets the exit status: a test that Pinion fails must have a reason, and one
 * that it passes none, so that the list of reasons can only shrink. Results of a whole suite (`all`)
 * become its section of the document.
 */
export function report(
  title: string,
  results: readonly Result[],
  reasons: Readonly<Record<string, string>>,
  all: boolean,
): void {
  const lines = table(results, reasons);
  process.stdout.write(`${lines.join('\n')}\n`);
  if (all) document(title, lines);
  const wrong = results.flatMap(({ name, verdicts }) => {
    const listed = reasons[name] !== undefined;
    if (verdicts.pinion === 'failed' && !listed) return [`fails, with no reason known: ${name}`];
    if (verdicts.pinion === 'passed' && listed) return [`passes, but is listed: ${name}`];
    return [];
  });
  if (wrong.length > 0) process.stderr.write(`${wrong.join('\n')}\n`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
