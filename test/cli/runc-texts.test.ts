/**
 * What runc says is what engines search for: the same command lines go to runc itself, and status,
 * messages and log records must be the same.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PINION, pinion, temporaryDirectory } from '../pinion.ts';

const RUNC = '/usr/sbin/runc';

/** Command lines that need no container, after `--root DIR`. */
const COMMAND_LINES = [
  ['state'],
  ['state', 'a', 'b'],
  ['state', 'nosuch'],
  ['state', ''],
  ['state', '--bad', 'a'],
  ['state', 'a', '--bad'],
  ['start', 'nosuch'],
  ['start'],
  ['kill'],
  ['kill', 'nosuch'],
  ['kill', 'a', 'b', 'c'],
  ['kill', '-9', 'a'],
  ['delete', 'nosuch'],
  ['delete', '--force', 'nosuch'],
  ['delete', 'nosuch', '-f'],
  ['delete', '-f=false', 'nosuch'],
  ['delete', '--', 'nosuch', '-f'],
  ['delete', '--force=maybe', 'nosuch'],
  ['create'],
  ['create', '--preserve-fds'],
  ['create', '--preserve-fds=x', 'a'],
  ['create', '--bundle', '/nonexistent', 'a'],
  ['run', '--bundle', '/nonexistent', 'a'],
  ['exec'],
  ['exec', 'nosuch', 'id'],
  ['exec', '', 'id'],
  ['exec', '--bad', 'a', 'b'],
  ['exec', '--preserve-fds', 'x', 'a', 'b'],
  ['pause'],
  ['events'],
  ['events', 'nosuch'],
  ['events', '--interval', 'x', 'nosuch'],
  ['update'],
  ['update', 'nosuch'],
  ['pause', 'nosuch'],
  ['resume', 'nosuch'],
  ['resume', 'a', 'b'],
  ['ps'],
  ['ps', 'nosuch'],
  ['ps', '--format', 'x', 'nosuch'],
  ['list', 'a'],
  ['list', '-q'],
  ['list', '--format', 'json'],
  ['list', '-f', 'nosuch'],
  ['list'],
  ['nosuch'],
  ['help', 'nosuch'],
  ['--', 'state', 'nosuch'],
  ['-bad', 'state', 'nosuch'],
  ['--log'],
  ['--log-format', 'nosuch', 'state', 'a'],
  ['--log-format', 'json', 'state', 'nosuch'],
  ['--log-format=text', 'state', 'nosuch'],
  ['--log', '/nonexistent/log', 'state', 'a'],
  ['---', 'state'],
];

/**
 * Records without their time and without the path by which runc was called. The newline that runc
 * leaves in some messages is its own mistake.
 */
function comparable(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)/g, 'TIME')
    .replaceAll('\\n"', '"')
    .replaceAll(RUNC, 'runc');
}

/** Help texts are our own. */
function withoutHelp(text: string): string {
  return text.startsWith('Incorrect Usage') ? (text.split('\n')[0] ?? '') : text;
}

describe('a command line has runc’s status and texts', () => {
  it.each(COMMAND_LINES.map((argv) => ({ argv })))('$argv', async ({ argv }) => {
    const root = temporaryDirectory();
    const ours = await pinion(argv, { root });
    const theirs = await pinion(argv, { root, program: RUNC });
    expect(ours.status).toBe(theirs.status);
    expect(comparable(ours.stderr)).toBe(comparable(theirs.stderr));
    expect(withoutHelp(ours.stdout)).toBe(withoutHelp(theirs.stdout));
  });

  it('and with --log its records, with the plain message on stderr', async () => {
    const root = temporaryDirectory();
    const [ours, theirs] = await Promise.all(
      [PINION, RUNC].map(async (program, i) => {
        const log = join(root, `log${i}`);
        const argv = ['--log', log, '--log-format', 'json', 'state', 'nosuch'];
        const result = await pinion(argv, { root, program });
        return { ...result, log: comparable(readFileSync(log, 'utf8')) };
      }),
    );
    expect(ours).toEqual(theirs);
  });

  it('but a version of its own, in the same form', async () => {
    const root = join(temporaryDirectory(), 'root');
    const { status, stdout, stderr } = await pinion(['--version'], { root });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^pinion version \d+\.\d+\.\d+\ncommit: [0-9a-f]{40}\nspec: 1\.3\.0\n/);
    expect(existsSync(root)).toBe(false);
  });
});
