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

/** Verdicts as the document has them. */
const WORDS: Record<Verdict, string> = { passed: 'ok', failed: '**fails**', skipped: 'skipped' };

/** A table of the results as Markdown, and a line with their sums. */
function table(results: readonly Result[], reasons: Readonly<Record<string, string>>): string[] {
  const sums = RUNTIME_NAMES.map((runtime) => {
    const of = (verdict: Verdict) => count(results, runtime, verdict);
    return `${runtime} passes ${of('passed')}, fails ${of('failed')}, skips ${of('skipped')}`;
  });
  return [
    `${results.length} tests: ${sums.join('; ')}.`,
    '',
    row(['test', ...RUNTIME_NAMES, 'why not']),
    row(['---', '---', '---', '---', '---']),
    ...results.map(({ name, verdicts }) => {
      const reason = verdicts.pinion === 'failed' ? (reasons[name] ?? 'not known') : '';
      return row([name, ...RUNTIME_NAMES.map((runtime) => WORDS[verdicts[runtime]]), reason]);
    }),
  ];
}

/** The results of a table. */
function readTable(section: string): Result[] {
  const verdict = (word = ''): Verdict =>
    word === WORDS.passed ? 'passed' : word === WORDS.skipped ? 'skipped' : 'failed';
  const rows = section.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(2).map((line) => {
    const [name = '', runc, crun, pinion] = line.slice('| '.length).split(' | ');
    const verdicts = { runc: verdict(runc), crun: verdict(crun), pinion: verdict(pinion) };
    return { name, verdicts };
  });
}

/** Puts the results in the place of those of the same tests in a section, which is made if there is none. */
function document(
  title: string,
  results: readonly Result[],
  reasons: Readonly<Record<string, string>>,
): void {
  const sections = readFileSync(DOCUMENT, 'utf8').split(/^(?=## )/m);
  const found = sections.findIndex((text) => text.startsWith(`## ${title}\n`));
  const at = found === -1 ? sections.length : found;
  const all = new Map([...readTable(sections[at] ?? ''), ...results].map((one) => [one.name, one]));
  sections[at] = `## ${title}\n\n${table([...all.values()], reasons).join('\n')}\n`;
  writeFileSync(DOCUMENT, sections.map((text) => `${text.trimEnd()}\n`).join('\n'));
}

/**
 * Prints the results, writes them to the document, and sets the exit status: a test that Pinion fails must
 * have a reason, and one that it passes none, so that the list of reasons can only shrink.
 */
export function report(
  title: string,
  results: readonly Result[],
  reasons: Readonly<Record<string, string>>,
): void {
  process.stdout.write(`${table(results, reasons).join('\n')}\n`);
  document(title, results, reasons);
  const wrong = results.flatMap(({ name, verdicts }) => {
    const listed = reasons[name] !== undefined;
    if (verdicts.pinion === 'failed' && !listed) return [`fails, with no reason known: ${name}`];
    if (verdicts.pinion === 'passed' && listed) return [`passes, but is listed: ${name}`];
    return [];
  });
  if (wrong.length > 0) process.stderr.write(`${wrong.join('\n')}\n`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}
