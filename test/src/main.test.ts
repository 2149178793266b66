import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Caller } from '../../src/caller.ts';
import { serve } from '../../src/main.ts';
import { HOME, temporaryDirectory } from '../pinion.ts';

/** Serves a command line in this process, with files as its streams. */
async function command(argv: readonly string[], changes: Partial<Caller> = {}) {
  const directory = temporaryDirectory();
  const stream = (name: string) => openSync(join(directory, name), 'w+');
  const stdio = { stdin: stream('stdin'), stdout: stream('stdout'), stderr: stream('stderr') };
  const status = await serve(argv, {
    cwd: directory,
    env: {},
    stdio,
    pid: process.pid,
    euid: 0,
    egid: 0,
    rootless: false,
    signals: { subscribe: () => () => {} },
    home: HOME,
    ...changes,
  });
  for (const fd of Object.values(stdio)) closeSync(fd);
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  return { status, stdout: read('stdout'), stderr: read('stderr') };
}

const message = (text: string) => /msg="?(.*?)"?\n$/.exec(text)?.[1];

it('serves commands for any caller, whatever this process is', async () => {
  const cwd = temporaryDirectory();
  const { status, stdout } = await command(['--root', 'state', 'list', '-f', 'json'], { cwd });
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'null\n' });
});

it('refuses the root directory as the state directory', async () => {
  const { status, stderr } = await command(['--root', '/../', 'list']);
  expect(status).toBe(1);
  expect(message(stderr)).toBe('Option --root argument should not be set to /');
});

it('keeps the state of a user without root in XDG_RUNTIME_DIR', async () => {
  const runtime = temporaryDirectory();
  mkdirSync(join(runtime, 'pinion'));
  writeFileSync(join(runtime, 'pinion', 'stray'), '');
  mkdirSync(join(runtime, 'pinion', 'broken'));
  const { status, stderr } = await command(['list', '-q'], {
    euid: 1000,
    env: { XDG_RUNTIME_DIR: runtime },
  });
  expect(status).toBe(0);
  expect(stderr).toContain('broken');
});

it('accepts flags of older runc releases', async () => {
  const flags = ['--criu', '/usr/sbin/criu', '--rootless', 'auto', '--root', 'state'];
  expect(await command([...flags, 'list', '-q'])).toEqual({ status: 0, stdout: '', stderr: '' });
});

it('appends one record for each failure to the log file', async () => {
  const log = join(temporaryDirectory(), 'log');
  const flags = ['--root', 'state', '--log', log, '--log-format', 'json'];
  for (let i = 0; i < 2; i++) {
    const { stderr } = await command([...flags, 'state', 'nosuch']);
    expect(stderr).toBe('container does not exist\n');
  }
  const records = readFileSync(log, 'utf8').trimEnd().split('\n');
  expect(records).toHaveLength(2);
  for (const record of records) {
    expect(record).toMatch(
      /^\{"level":"error","msg":"container does not exist","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}$/,
    );
  }
});

it('prints the help of the program and of a command', async () => {
  const program = await command(['--help']);
  expect(program.status).toBe(0);
  expect(program.stdout).toMatch(/GLOBAL FLAGS\n {2}.*--root=<dir>/s);
  expect(program.stdout).toMatch(/COMMANDS\n(?: {2}.*\n)* {2}create +create a container\n/);
  for (const argv of [
    ['kill', '--help'],
    ['help', 'kill'],
    ['kill', '-h', 'a', 'b', 'c'],
  ]) {
    const { status, stdout } = await command(argv);
    expect(status).toBe(0);
    expect(stdout).toMatch(/USAGE\n {2}\$ pinion kill ID \[SIGNAL\]/);
  }
});

it('writes a config.json to start from, once', async () => {
  const cwd = temporaryDirectory();
  expect(await command(['spec'], { cwd })).toEqual({ status: 0, stdout: '', stderr: '' });
  const config = JSON.parse(readFileSync(join(cwd, 'config.json'), 'utf8'));
  expect(config.process.args).toEqual(['sh']);
  const again = await command(['spec', '--bundle', cwd]);
  expect(again.status).toBe(1);
  expect(message(again.stderr)).toBe('File config.json exists. Remove it first');
});
