import { describe, expect, it } from 'vitest';
import { COMMAND_RULES, type CommandRule, GLOBAL_FLAGS } from '../../src/grammar.ts';
import { normaliseCommand, normaliseGlobals } from '../../src/normalise.ts';
import { UsageError } from '../../src/usage-error.ts';

const globals = (...argv: string[]) => normaliseGlobals(argv, GLOBAL_FLAGS);
const run = (...argv: string[]) => normaliseCommand('run', COMMAND_RULES.run, argv).argv;
const kill = (...argv: string[]) => normaliseCommand('kill', COMMAND_RULES.kill, argv).argv;

describe('global flags', () => {
  it('stand before the command, whose own flags are not read', () => {
    expect(globals('--root', '/r', '--debug', 'state', '--bad', 'id')).toMatchObject({
      argv: ['--root', '=/r', '--debug', '--'],
      rest: ['state', '--bad', 'id'],
    });
  });

  it('end at a double dash', () => {
    expect(globals('--debug', '--', 'state', 'id')).toMatchObject({
      argv: ['--debug', '--'],
      rest: ['state', 'id'],
    });
  });

  it('take the next word as their value, whatever it is', () => {
    expect(globals('--root', 'state')).toMatchObject({
      argv: ['--root', '=state', '--'],
      rest: [],
    });
  });
});

describe('flags', () => {
  it.each([
    ['two dashes and a word', ['--bundle', '/b', 'id']],
    ['two dashes and =', ['--bundle=/b', 'id']],
    ['one dash and a word', ['-bundle', '/b', 'id']],
    ['one dash and =', ['-bundle=/b', 'id']],
    ['a letter', ['-b', '/b', 'id']],
    ['a letter with two dashes', ['--b=/b', 'id']],
  ])('may be written with %s', (_, argv) => {
    expect(run(...argv)).toEqual(['--bundle', '=/b', '--', 'id']);
  });

  it.each(['1', 't', 'T', 'TRUE', 'true', 'True'])('that are boolean take =%s for true', (word) => {
    expect(run(`--detach=${word}`, 'id')).toEqual(['--detach', '--', 'id']);
  });

  it.each(['0', 'f', 'F', 'FALSE', 'false', 'False'])(
    'that are boolean take =%s for false',
    (word) => {
      expect(run(`--detach=${word}`, 'id')).toEqual(['--', 'id']);
    },
  );

  it('that are boolean take no separate word', () => {
    expect(run('--detach', 'true')).toEqual(['--detach', '--', 'true']);
  });

  it('count by their last value', () => {
    expect(run('-b', '/1', '--bundle=/2', '-d', '-d=false', 'id')).toEqual([
      '--bundle',
      '=/2',
      '--',
      'id',
    ]);
  });

  it('may have a value that looks like a flag, that is empty, or that has an =', () => {
    expect(run('--bundle', '--detach', 'id')).toEqual(['--bundle', '=--detach', '--', 'id']);
    expect(run('--bundle=', 'id')).toEqual(['--bundle', '=', '--', 'id']);
    expect(run('--bundle=a=b', 'id')).toEqual(['--bundle', '=a=b', '--', 'id']);
    expect(run('--bundle', '--', 'id')).toEqual(['--bundle', '=--', '--', 'id']);
  });

  it('are also read after the arguments', () => {
    expect(run('id', '-d', '--bundle', '/b')).toEqual(['--detach', '--bundle', '=/b', '--', 'id']);
    expect(kill('id', '--all', 'KILL')).toEqual(['--all', '--', 'id', 'KILL']);
  });

  it('end at a double dash, before and after the first argument', () => {
    expect(kill('--', '-a', 'KILL')).toEqual(['--', '-a', 'KILL']);
    expect(kill('id', '--', '-a')).toEqual(['--', 'id', '-a']);
  });

  it('that nobody knows are arguments after the first argument, as in runc', () => {
    expect(kill('id', '-9')).toEqual(['--', 'id', '-9']);
  });

  it('leave a lone dash alone', () => {
    expect(kill('-', '-a')).toEqual(['--all', '--', '-']);
  });
});

describe('a command that passes its arguments through', () => {
  const rule: CommandRule = {
    summary: '',
    flags: {
      env: { kind: 'strings', char: 'e', summary: '' },
      tty: { kind: 'boolean', summary: '' },
    },
    args: { id: { summary: '', required: true } },
    passThrough: { name: 'command', summary: '' },
  };
  const exec = (...argv: string[]) => normaliseCommand('run', rule, argv).argv;

  it('leaves what follows its first argument to the program', () => {
    expect(exec('--tty', 'id', 'ls', '--tty', '-e', '--', 'x')).toEqual([
      ...['--tty', '--', 'id'],
      ...['ls', '--tty', '-e', '--', 'x'],
    ]);
  });

  it('keeps every value of a repeatable flag in order', () => {
    expect(exec('-e', 'A=1', '--env=B=2', 'id')).toEqual([
      '--env',
      '=A=1',
      '--env',
      '=B=2',
      '--',
      'id',
    ]);
  });
});

describe('errors', () => {
  it.each([
    [['--nosuch', 'id'], 'flag provided but not defined: -nosuch'],
    [['-x=1', 'id'], 'flag provided but not defined: -x'],
    [['--bundle'], 'flag needs an argument: -bundle'],
    [['id', '-b'], 'flag needs an argument: -b'],
    [['--detach=maybe', 'id'], 'invalid boolean value "maybe" for -detach: parse error'],
    [['--preserve-fds=x', 'id'], 'invalid value "x" for flag -preserve-fds: parse error'],
    [['---bundle=b', 'id'], 'bad flag syntax: ---bundle=b'],
    [['--=b', 'id'], 'bad flag syntax: --=b'],
  ])('%j: %s', (argv, message) => {
    expect(() => run(...argv)).toThrow(message);
  });

  it('name a flag before the command with another heading than one after it', () => {
    const heading = (act: () => unknown): unknown => {
      try {
        return act();
      } catch (error) {
        return error instanceof UsageError ? error.heading : error;
      }
    };
    expect(heading(() => globals('-x'))).toBe('Incorrect Usage. flag provided but not defined: -x');
    expect(heading(() => run('-x'))).toBe('Incorrect Usage: flag provided but not defined: -x');
  });
});
