/**
 * kill -9 at random of dockerd, its containerd, the shims, the runtime's commands and the containers' processes:
 * `main.ts [SECONDS [SEED]]`. Each round dockerd comes back, removes what it has, and runs a new container;
 * what it lost track of, `delete --force` takes away, and nothing is left. PINION_SOAK_RUNTIME names another runtime.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PINION } from '../compare.ts';
import { Engine } from '../docker/engine.ts';
import { engineProcesses } from '../processes.ts';

const [seconds = 600, seed = Date.now() % 2 ** 31] = process.argv.slice(2).map(Number);
const runtime = process.env.PINION_SOAK_RUNTIME ?? PINION;

/** How long the engine may take for anything, in ms. */
const PATIENCE = 60_000;
/** Other processes of the engine's directory: the shell that begins dockerd again. */
const SPARED = new Set(['sh', 'unshare']);

/** Forks, and executes programs, all the time: monitors come and go. */
const BUSY = 'while :; do true & (true; true) & wait; echo tick; done';

/** What is tried of a container while something dies. */
const COMMANDS = [
  ['exec', 'NAME', 'sh', '-c', 'for i in 1 2 3; do true & done; wait'],
  ['stop', '-t', '1', 'NAME'],
  ['restart', '-t', '0', 'NAME'],
  ['pause', 'NAME'],
  ['unpause', 'NAME'],
  ['kill', 'NAME'],
  ['rm', '-f', 'NAME'],
] as const;

let state = seed | 1;
/** Numbers from 0 on, below `limit`: xorshift32. */
function random(limit: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % limit;
}

const engine = new Engine(runtime);
const env = { PATH: process.env.PATH, DOCKER_HOST: engine.socket };
const killed = new Map<string, number>();
let lost = 0;

/** Starts a command of docker(1): whether it succeeds is a matter of luck. */
function begin(...args: string[]): ChildProcess {
  const limited = ['--kill-after=5', '30', 'docker', ...args];
  return spawn('timeout', limited, { env, stdio: 'ignore' });
}

/** Repeats until it says true. */
async function until(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`${what} did not happen in ${PATIENCE / 1000} s`);
    await sleep(200);
  }
}

function killOne(): void {
  const { services, contained } = engineProcesses(engine.directory, engine.parent);
  const kinds = [...services].filter(([name]) => !SPARED.has(name));
  if (contained.length > 0) kinds.push(['contained', contained]);
  const [name, pids] = kinds[random(kinds.length)] ?? ['', []];
  const pid = pids[random(pids.length)];
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
    killed.set(name, (killed.get(name) ?? 0) + 1);
  } catch {
    // It has ended.
  }
}

/** Containers of the runtime that the engine does not know any more, as paths of their states. */
function states(): string[] {
  return globSync(join(engine.directory, 'exec/runtime-*/moby/*'));
}

/** What is left of containers: nothing, after the runtime has deleted what the engine forgot. */
function leftovers(): string[] {
  const groups = globSync(`/sys/fs/cgroup/{.,*}/${engine.parent}/*/`);
  const { contained } = engineProcesses(engine.directory, engine.parent);
  const processes = contained.map((pid) => `process ${pid}`);
  return [...states(), ...groups, ...processes];
}

async function round(number: number): Promise<void> {
  const names = [`a${number}`, `b${number}`];
  const commands = names.map((name, index) => {
    const restart = index === 0 ? 'no' : 'always';
    return begin('run', '-d', '--name', name, '--restart', restart, 'busybox', 'sh', '-c', BUSY);
  });
  for (let count = 1 + random(4); count > 0; count--) {
    await sleep(random(700));
    const [command = [], name = ''] = [COMMANDS[random(COMMANDS.length)], names[random(2)]];
    commands.push(begin(...command.map((word) => (word === 'NAME' ? name : word))));
    await sleep(random(200));
    killOne();
  }
  const ended = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;
  await until('the end of all commands', () => commands.every(ended));
  await until('the engine', () => spawnSync('docker', ['version'], { env }).status === 0);
  await until('a new container', () => {
    const args = ['run', '--rm', 'busybox', 'echo', `round ${number}`];
    const { stdout } = spawnSync('docker', args, { env, encoding: 'utf8', timeout: PATIENCE });
    return stdout === `round ${number}\n`;
  });
  await until('the removal of all containers', () => {
    const ids = spawnSync('docker', ['ps', '-aq'], { env, encoding: 'utf8', timeout: PATIENCE });
    const list = ids.stdout.split('\n').filter(Boolean);
    if (ids.status !== 0) return false;
    if (list.length > 0) spawnSync('docker', ['rm', '-f', ...list], { env, timeout: PATIENCE });
    return list.length === 0;
  });
  // Commands that the engine began for those that died are on their way.
  for (let waited = 0; waited < 3000 && leftovers().length > 0; waited += 200) await sleep(200);
  for (const path of states()) {
    lost += 1;
    const args = ['--root', dirname(path), 'delete', '--force', basename(path)];
    execFileSync(runtime, args, { timeout: PATIENCE });
  }
  const left = leftovers();
  if (left.length > 0) throw new Error(`left after round ${number}: ${left.join(', ')}`);
}

let rounds = 0;
try {
  await engine.prepare();
  const end = Date.now() + seconds * 1000;
  for (; Date.now() < end; rounds++) await round(rounds);
} catch (error) {
  process.stderr.write(`soak: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  const counts = [...killed].map(([name, count]) => `${name} ${count}`).join(', ');
  process.stdout.write(
    `${rounds} rounds, seed ${seed}; killed ${counts}; ${lost} containers that the engine lost were deleted\n`,
  );
  await engine.stop();
}
