/** The monitor's own integration tests (vmm/tests), which bin/test-emulated has built outside. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { execute, HOME } from '../pinion.ts';

/** The part of cargo's messages that names a built test (cargo-build(1), --message-format json). */
interface Message {
  target?: { name: string; kind: string[] };
  executable?: string | null;
}

const programs = readFileSync(join(HOME, 'build/emulated/built.json'), 'utf8')
  .trim()
  .split('\n')
  .map((line): Message => JSON.parse(line))
  .flatMap(({ target, executable }) =>
    target?.kind[0] === 'test' && executable ? [{ name: target.name, executable }] : [],
  );

test.each(programs)('the monitor: $name', async ({ executable }) => {
  const { status, stdout } = await execute(executable, ['--test-threads=1'], {
    cwd: join(HOME, 'vmm'),
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
  expect(stdout.match(/^test .* FAILED$/gm) ?? []).toEqual([]);
  expect(status, stdout).toBe(0);
});

test('there are such tests', () => {
  expect(programs.map(({ name }) => name)).toContain('launch');
});
