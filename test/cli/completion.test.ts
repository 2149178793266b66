/** What bash completes. */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { execute, PINION, temporaryDirectory } from '../pinion.ts';
import { Container } from './lifecycle/container.ts';

/** What is offered at the end of a line whose words are given as bash takes it apart. */
const SCRIPT = `
source <(pinion completion bash)
complete -p pinion
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_pinion
echo "\${COMPREPLY[*]}"
`;

async function completed(...words: string[]): Promise<string> {
  const bin = temporaryDirectory();
  symlinkSync(PINION, join(bin, 'pinion'));
  const env = { PATH: `${bin}:/usr/bin:/bin` };
  const args = ['--norc', '-c', SCRIPT, 'bash', 'pinion', ...words];
  const { stdout, stderr } = await execute('bash', args, { env });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^complete -F _pinion pinion\n/);
  return stdout.split('\n')[1] ?? '';
}

test.each([
  [['st'], 'start state'],
  [['--log-'], '--log-format'],
  [['--log-format', '=', 'j'], 'json'],
  [['--log', '/dev/null', 'run', '--de'], '--detach'],
  [['help', 'ru'], 'run'],
  [['kill', 'web', 'KI'], 'KILL'],
  [['run', '--bundle', '/us'], '/usr'],
  [['exec', '--env', 'A=1', '--t'], '--tty'],
  [['exec', 'web', '--t'], ''],
  [['completion', ''], 'bash zsh fish'],
])('%j', async (words, expected) => {
  expect(await completed(...words)).toBe(expected);
});

test('ids of containers, in the state directory that the line names', async () => {
  const container = new Container();
  await container.create();
  expect(await completed('--root', container.root, 'start', '')).toBe(container.id);
  expect(await completed('--root', '=', container.root, 'kill', 'nosuch')).toBe('');
});

test('a shell without completions is named', async () => {
  const { status, stderr } = await execute(PINION, ['completion', 'tcsh'], { env: {} });
  expect(status).toBe(1);
  expect(stderr).toContain('no completions for \\"tcsh\\": bash, zsh, fish');
});
