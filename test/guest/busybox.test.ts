/** Debian's static busybox: a shell without forks, and its applets, in the order of the list. */
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BUSYBOX } from '../bundle.ts';
import { temporaryDirectory } from '../pinion.ts';
import { expectSame, runGuest, runNative } from './programs.ts';

test('a shell script with loops, functions, redirections and a trap', async () => {
  const script = join(import.meta.dirname, 'programs/applets.sh');
  const { status, stdout } = await expectSame(BUSYBOX, ['sh', script]);
  expect(status).toBe(7);
  expect(stdout).toContain('trapped at the end');
});

const LINES = Array.from(
  { length: 400 },
  (_, i) => `${(i * 7919) % 400} line ${i % 13} of the file`,
);

/** The files that every applet may read. */
function makeFiles(): string {
  const directory = temporaryDirectory();
  const at = (...names: string[]) => join(directory, ...names);
  mkdirSync(at('tree/below'), { recursive: true });
  writeFileSync(at('lines'), `${LINES.join('\n')}\n`);
  writeFileSync(at('tree/one'), 'one\n');
  writeFileSync(at('tree/below/two'), 'two\n');
  const bytes = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 10)) & 255);
  writeFileSync(at('binary'), bytes);
  for (const name of ['lines', 'tree/one', 'tree/below/two', 'binary', 'tree/below', 'tree'])
    utimesSync(at(name), 1_600_000_000, 1_600_000_000);
  return directory;
}

/** What is in a directory: kind and mode of each entry, and what files hold. */
function listTree(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  const describe = (path: string, isFile: boolean) =>
    `${path.slice(directory.length)} ${statSync(path, { throwIfNoEntry: false })?.mode} ${isFile ? readFileSync(path, 'base64') : ''}`;
  return entries
    .map((entry) => describe(join(entry.parentPath, entry.name), entry.isFile()))
    .sort();
}

const APPLETS: (string | string[])[] = [
  'ls -lAn tree',
  'ls -R',
  'cat lines',
  'cat binary nosuch',
  'cp binary copy',
  'cp -a tree tree2',
  'mv copy moved',
  'mkdir -p a/b/c',
  'mkdir a',
  'ln -s tree/one link',
  'ln lines hard',
  'touch -d 200102030405.06 moved',
  'chmod 640 moved',
  ['stat', '-c', '%n %s %a %F %h', 'link'],
  ['stat', '-c', '%n %s %a %F %h %Y', 'moved', 'tree', 'hard'],
  'sha256sum binary lines',
  'sha512sum binary',
  'md5sum lines',
  'cksum binary',
  'wc lines binary',
  'sort -n lines',
  'sort -k 3,3 -u lines',
  'head -n 3 lines',
  'tail -n 3 lines',
  'tail -c 100 binary',
  'grep -c line lines',
  ['grep', '-n', '^1.*[45] of', 'lines'],
  'grep -r two .',
  ['sed', '-n', 's/line \\([0-9]*\\)/<\\1>/p', 'lines'],
  ['sed', '-i', '-e', '1,5d', '-e', 's/of/OF/', 'hard'],
  ['awk', '{ count[$3] += $1 } END { for (i = 0; i < 13; i++) print i, count[i] }', 'lines'],
  'tr a-z A-Z',
  'cut -d  -f 1,3 lines',
  'uniq -c',
  'od -A x -t x1 -N 64 binary',
  'hexdump -C -n 64 binary',
  'gzip -k lines',
  'gunzip -c lines.gz',
  'tar -cf tree.tar tree',
  'tar -tvf tree.tar',
  'mkdir out',
  'tar -xf tree.tar -C out',
  'find . -name t* -type f',
  'date -u -d @0',
  'expr 6 * 7',
  'seq 1 3 20',
  ['printf', '%s-%03d\\n', 'x', '7'],
  'test -d tree',
  'test -f tree',
  'dd if=binary of=part bs=4096 skip=3 count=100 status=none',
  'du -a tree',
  'id',
  'env',
  'printenv VARIABLE',
  'uname -a',
  'hostname',
  'sleep 0.1',
  'usleep 1000',
  'truncate -s 10000 part',
  'readlink link',
  'readlink -f /usr/bin/../lib',
  'realpath /usr/lib/..',
  'rev lines',
  'nl tree/one',
  'fold -w 10 lines',
  'cmp binary moved',
  'cmp lines tree/one',
  'diff tree tree2',
  'diff lines hard',
  'basename /a/b.c .c',
  'base64 tree/one',
  'split -l 100 lines part-',
  'tac lines',
  'strings -n 8 binary',
  'cal 2 2020',
  'factor 1234567890',
  'mkfifo fifo',
  'nproc',
  'sync',
  'rm -r tree2 nosuch',
  'rm -rf tree2 a fifo',
  'rmdir tree',
  'false',
  'nosuch',
];

test('applets', async () => {
  const [native, guest] = [makeFiles(), makeFiles()];
  const options = { env: { VARIABLE: 'value', TZ: 'UTC0' }, input: 'aab\naab\nb\n' };
  for (const applet of APPLETS) {
    const args = typeof applet === 'string' ? applet.split(' ') : applet;
    const expected = await runNative(BUSYBOX, args, { ...options, cwd: native });
    const result = await runGuest(BUSYBOX, args, { ...options, cwd: guest });
    expect([applet, result]).toEqual([applet, expected]);
  }
  expect(listTree(guest)).toEqual(listTree(native));
});
