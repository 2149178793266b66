/** A service manager, spoken to by systemd's own client: busctl(1) is where systemd is. */
import { execFile } from 'node:child_process';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../context.ts';
import { OciError } from '../errors.ts';
import type { Property } from './property.ts';
import { isSlice } from './unit.ts';

/** How long systemd may take for a job, in ms: runc's limit. */
const TIMEOUT = 30_000;

const NAME = 'org.freedesktop.systemd1';
const PATH = '/org/freedesktop/systemd1';
/** What runc says before. */
const APPLYING = 'unable to start container process: unable to apply cgroup configuration: ';
const EXISTS = /already exists|already loaded/;

/** What a service manager says no with, in its own words. */
class Refusal extends Error {}

/** sd_booted(3). */
export function isRunning(): boolean {
  return lstatSync('/run/systemd/system', { throwIfNoEntry: false })?.isDirectory() ?? false;
}

export class Manager {
  readonly #env: Environment;
  readonly #user: boolean;

  /** @param user - The service manager of the caller, not that of the system. */
  constructor(env: Environment, user: boolean) {
    this.#env = env;
    this.#user = user;
  }

  /** The group below which the units' groups are. */
  async root(): Promise<string> {
    if (!this.#user) return '/';
    const [group] = await this.#get(PATH, 'Manager', 'ControlGroup');
    return join('/', String(group));
  }

  /** Starts a unit that lasts as long as its processes, and waits until it is there. */
  async start(unit: string, properties: readonly Property[]): Promise<void> {
    const words = ['ssa(sv)a(sa(sv))', unit, 'replace', ...(await this.#words(properties)), '0'];
    const failed = (why: string) =>
      new OciError(
        'ERR_PINION_SYSTEMD',
        `${APPLYING}unable to start unit ${JSON.stringify(unit)}: ${why}`,
      );
    try {
      await this.#startAnew(unit, words);
    } catch (error) {
      throw error instanceof Refusal ? failed(error.message) : error;
    }
    const state = await this.#settled(unit);
    if (state === 'active') return;
    await this.#quietly('ResetFailedUnit', 's', unit);
    throw failed(`error creating systemd unit: got \`${state}\``);
  }

  /** One of the name may be left from before, failed. */
  async #startAnew(unit: string, words: string[]): Promise<void> {
    try {
      await this.#call('StartTransientUnit', ...words);
    } catch (error) {
      if (!(error instanceof Refusal) || !EXISTS.test(error.message)) throw error;
      if (isSlice(unit)) return;
      await this.#quietly('ResetFailedUnit', 's', unit);
      await this.#call('StartTransientUnit', ...words);
    }
  }

  /** Changes a unit until it ends or the host does. */
  async set(name: string, properties: readonly Property[]): Promise<void> {
    if (properties.length === 0) return;
    try {
      const words = await this.#words(properties);
      await this.#call('SetUnitProperties', 'sba(sv)', name, 'true', ...words);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const message = `unable to set unit properties: ${error.message}`;
      throw new OciError('ERR_PINION_SYSTEMD', message);
    }
  }

  /** Ends a unit. Most are gone by themselves, with their last process. */
  async stop(name: string): Promise<void> {
    if (!(await this.#quietly('StopUnit', 'ss', name, 'replace'))) return;
    await this.#settled(name);
    await this.#quietly('ResetFailedUnit', 's', name);
  }

  /** The state that a unit comes to when nothing is left to do for it. */
  async #settled(name: string): Promise<string> {
    const path = `${PATH}/unit/${escapeLabel(name)}`;
    const deadline = performance.now() + TIMEOUT;
    for (let delay = 5; ; delay = Math.min(delay * 2, 100)) {
      const [state, job] = await this.#get(path, 'Unit', 'ActiveState', 'Job');
      const isWaiting = Array.isArray(job) && job[0] !== 0;
      if (!isWaiting && !/ing$/.test(String(state))) return String(state);
      if (performance.now() > deadline) return `timeout, ${state}`;
      await sleep(delay);
    }
  }

  async #words(properties: readonly Property[]): Promise<string[]> {
    const matters = properties.some(({ since }) => since !== undefined);
    const version = matters ? await this.#version() : 0;
    const known = properties.filter(({ since = 0 }) => since <= version);
    const words = known.flatMap(({ name, signature, words }) => [name, signature, ...words]);
    return [String(known.length), ...words];
  }

  async #version(): Promise<number> {
    const [version] = await this.#get(PATH, 'Manager', 'Version');
    // "252.38-1~deb12u1", in some releases after a v.
    return Number.parseInt(String(version).replace(/^v/, ''), 10);
  }

  async #get(path: string, kind: string, ...properties: string[]): Promise<unknown[]> {
    const output = await this.#busctl('get-property', NAME, path, `${NAME}.${kind}`, ...properties);
    return output
      .trim()
      .split('\n')
      .map((line): { data?: unknown } => JSON.parse(line))
      .map(({ data }) => data);
  }

  async #call(method: string, ...words: string[]): Promise<void> {
    await this.#busctl('call', NAME, PATH, `${NAME}.Manager`, method, ...words);
  }

  /** Whether it was done. */
  async #quietly(method: string, ...words: string[]): Promise<boolean> {
    try {
      await this.#call(method, ...words);
      return true;
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    }
  }

  async #busctl(...args: string[]): Promise<string> {
    const bus = this.#user ? '--user' : '--system';
    const options = ['--json=short', `--timeout=${TIMEOUT / 1000}`, bus, '--'];
    const env = { ...this.#env, PATH: this.#env.PATH || '/usr/bin:/bin' };
    return await new Promise((resolve, reject) => {
      execFile('busctl', [...options, ...args], { env }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else if (typeof error.code !== 'number') {
          reject(new OciError('ERR_PINION_SYSTEMD', `exec: "busctl": ${error.message}`));
        } else reject(new Refusal(oneLine(stderr)));
      });
    });
  }
}

const oneLine = (text: string): string =>
  text
    .trim()
    .replace(/^Call failed: /, '')
    .replace(/\s*\n\s*/g, ' ');

/** bus_label_escape of sd_bus_path_encode(3). */
function escapeLabel(name: string): string {
  return name.replace(/[^A-Za-z0-9]|^[0-9]/gu, (letter) =>
    [...Buffer.from(letter)].map((byte) => `_${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}
