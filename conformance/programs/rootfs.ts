/**
 * The root filesystem of the cases: Debian by debootstrap(8) with the packages that they need,
 * made once and kept.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SUITE = 'bookworm';

/** Makes the root filesystem below `directory`, or adds what it lacks; returns its path. */
export function makeRootfs(directory: string, packages: readonly string[]): string {
  const rootfs = join(directory, 'rootfs');
  const installed = join(directory, 'packages');
  if (!existsSync(installed)) {
    say(`${SUITE} by debootstrap`);
    rmSync(rootfs, { recursive: true, force: true });
    mkdirSync(rootfs, { recursive: true });
    // What it mounts is gone with its namespace.
    run('unshare', ['--mount', 'debootstrap', '--variant=minbase', SUITE, rootfs, mirror()]);
    prepare(rootfs);
    writeFileSync(installed, '');
  }
  const have = new Set(readFileSync(installed, 'utf8').split('\n'));
  const missing = [...new Set(packages)].filter((name) => !have.has(name));
  if (missing.length > 0) {
    say(`packages: ${missing.join(' ')}`);
    install(rootfs, missing);
    writeFileSync(installed, [...have, ...missing].join('\n'));
  }
  return rootfs;
}

function say(text: string): void {
  process.stderr.write(`conformance: ${text}\n`);
}

/** The mirror that this machine itself takes its packages from. */
function mirror(): string {
  const lines = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', `Codename: ${SUITE}`]);
  const [first] = lines.split('\n');
  if (!first) throw new Error(`apt has no source for ${SUITE}: see sources.list(5)`);
  return first;
}

function prepare(rootfs: string): void {
  for (const path of ['sources.list', 'sources.list.d']) {
    const from = join('/etc/apt', path);
    rmSync(join(rootfs, from), { recursive: true, force: true });
    if (existsSync(from)) cpSync(from, join(rootfs, from), { recursive: true });
  }
  // Nothing is started by the installation (invoke-rc.d(8)).
  writeFileSync(join(rootfs, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  inside(rootfs, 'apt-get', 'update', '-qq');
}

function install(rootfs: string, packages: readonly string[]): void {
  inside(rootfs, 'apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...packages);
  inside(rootfs, 'apt-get', 'clean');
}

/** Runs a program in the root filesystem, as a process of the host with a /proc of its own. */
function inside(rootfs: string, ...command: string[]): void {
  const mounted = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"';
  run('unshare', ['--mount', '--fork', '--pid', 'sh', '-c', mounted, rootfs, ...command]);
}

function run(program: string, args: readonly string[]): string {
  const env = { PATH: process.env.PATH, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  return execFileSync(program, args, {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 26,
  });
}
