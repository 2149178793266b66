import { describe, expect, it } from 'vitest';
import { checkArguments, parseCommand, parseGlobals } from '../../src/command-line.ts';

describe('parseGlobals', () => {
  it('gives typed values and what follows', async () => {
    expect(await parseGlobals(['--root=/r', '-log', 'f', '--debug', 'state', 'id'])).toEqual({
      flags: {
        root: '/r',
        log: 'f',
        'log-format': undefined,
        debug: true,
        'systemd-cgroup': false,
        rootless: undefined,
        'cgroup-manager': undefined,
        criu: undefined,
        help: false,
        version: false,
      },
      rest: ['state', 'id'],
    });
  });
});

describe('parseCommand', () => {
  it('gives typed values, with undefined for what was not given', async () => {
    const { flags, args } = await parseCommand('run', ['-d', '--preserve-fds', '2', 'web']);
    expect(args).toEqual({ id: 'web' });
    expect(flags).toMatchObject({
      detach: true,
      keep: false,
      'preserve-fds': 2,
      bundle: undefined,
    });
  });

  it('keeps values that oclif would take for flags or refuse as repeated', async () => {
    const { flags } = await parseCommand('create', ['-b', '/1', '--bundle', '--no-pivot', 'web']);
    expect(flags).toMatchObject({ bundle: '--no-pivot', 'no-pivot': false });
  });

  it('keeps arguments that look like flags behind a double dash', async () => {
    const { args } = await parseCommand('kill', ['--', '--all', '-9']);
    expect(args).toEqual({ id: '--all', signal: '-9' });
  });

  it('reads no missing argument from stdin', async () => {
    const { args, given } = await parseCommand('state', []);
    expect(args).toEqual({});
    expect(given).toBe(0);
  });
});

describe('checkArguments', () => {
  it.each([
    ['state', 0, 'runc: "state" requires exactly 1 argument(s)'],
    ['state', 2, 'runc: "state" requires exactly 1 argument(s)'],
    ['list', 1, 'runc: "list" requires exactly 0 argument(s)'],
    ['kill', 0, 'runc: "kill" requires a minimum of 1 argument(s)'],
    ['kill', 3, 'runc: "kill" requires a maximum of 2 argument(s)'],
  ] as const)('%s with %i', (name, given, message) => {
    expect(() => checkArguments(name, given)).toThrow(message);
  });

  it('accepts the right number', () => {
    checkArguments('kill', 1);
    checkArguments('kill', 2);
    checkArguments('list', 0);
  });
});
