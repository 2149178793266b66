/**
 * Compares servers in containers, which clients on the host load: `node bench/servers.ts [ROUNDS [LOAD...]]`. In each
 * round every load runs against Pinion's server and runc's, one after the other. Prints ratios. The root filesystem is
 * that of the conformance suites (`PINION_CONFORMANCE`, or a folder of the build).
 */

import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DIRECTORY } from '../conformance/compare.ts';
import { makeRootfs } from '../conformance/programs/rootfs.ts';
import { defaultConfig } from '../oci/default-config.ts';
import { readMachine } from './machine.ts';
import { findRuntimes, type Runtime } from './runtimes.ts';
import { percentile, Samples } from './statistics.ts';

const HOME = join(import.meta.dirname, '..');
const SCRATCH = join(HOME, 'build/bench/servers');
const PACKAGES = ['redis-server', 'redis-tools', 'nginx-light', 'wrk'];
const SECONDS = 3;
/** How often a server is asked whether it answers, 100 ms apart. */
const PATIENCE = 100;

interface Load {
  name: string;
  server: (port: number) => string[];
  /** Prints requests per second in the first group of `rate`. */
  client: (port: number) => string[];
  rate: RegExp;
}

const REDIS_FLAGS = ['--save', '', '--bind', '127.0.0.1', '--port'];
const redis = (name: string, requests: number, ...flags: string[]): Load => ({
  name,
  server: (port) => ['/usr/bin/redis-server', ...REDIS_FLAGS, String(port)],
  client: (port) => [
    ...['/usr/bin/redis-benchmark', '-p', String(port), '-n', String(requests)],
    ...['-t', 'get', '--csv', ...flags],
  ],
  rate: /^"GET","([\d.]+)"/m,
});

const LOADS: readonly Load[] = [
  redis('redis -c 50 -P 1', 100_000, '-c', '50', '-P', '1'),
  redis('redis -c 50 -P 16', 500_000, '-c', '50', '-P', '16'),
  redis('redis -c 1 -P 1', 10_000, '-c', '1', '-P', '1'),
  {
    name: 'nginx',
    server: (port) => ['/bin/sh', '-c', nginx(port)],
    client: (port) => [
      ...['/usr/bin/wrk', '-c', '50', '-t', '1', '-d', `${SECONDS}s`],
      `http://127.0.0.1:${port}/page`,
    ],
    rate: /^Requests\/sec: +([\d.]+)/m,
  },
];

function nginx(port: number): string {
  const server = `server { listen 127.0.0.1:${port}; root /tmp/www; }`;
  const http = `http { access_log off; sendfile on; keepalive_requests 1000000; ${server} }`;
  const main = 'daemon off; worker_processes 1; user root; pid /tmp/pid; error_log /tmp/error.log;';
  const config = `${main} events { worker_connections 256; } ${http}`;
  const page = 'head -c 612 /dev/zero > /tmp/www/page';
  return `mkdir /tmp/www; ${page}; echo '${config}' > /tmp/conf; exec nginx -c /tmp/conf`;
}

function tmpfs(destination: string): object {
  return { destination, type: 'tmpfs', source: 'tmpfs' };
}

/** The host's network: what lies between is the same for all. */
function bundle(name: string, rootfs: string, args: readonly string[]): string {
  const directory = join(SCRATCH, name);
  mkdirSync(directory, { recursive: true });
  const config = defaultConfig('1.0.2', undefined) as Record<string, Record<string, object[]>>;
  const namespaces = config.linux?.namespaces as { type: string }[];
  const mounts = config.mounts as unknown as object[];
  const json = {
    ...config,
    process: { ...config.process, terminal: false, args },
    root: { path: rootfs, readonly: true },
    mounts: [...mounts, ...['/tmp', '/var/lib/nginx', '/var/log/nginx'].map(tmpfs)],
    linux: { ...config.linux, namespaces: namespaces.filter(({ type }) => type !== 'network') },
  };
  writeFileSync(join(directory, 'config.json'), JSON.stringify(json));
  return directory;
}

function call(runtime: Runtime, ...args: string[]): void {
  const log = openSync(join(SCRATCH, `${runtime.name}.log`), 'a');
  const root = join(SCRATCH, `state-${runtime.name}`);
  const flags = runtime.name === 'pinion' && args[0] === 'run' ? ['--debug'] : [];
  const { status } = spawnSync(runtime.path ?? '', ['--root', root, ...flags, ...args], {
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  if (status !== 0) throw new Error(`${runtime.name} ${args.join(' ')}: status ${status}`);
}

/** A client on the host, with the programs of the root filesystem. */
function load(rootfs: string, client: readonly string[], rate: RegExp): number {
  const { stdout } = spawnSync('/usr/sbin/chroot', [rootfs, ...client], { encoding: 'utf8' });
  return Number(rate.exec(stdout)?.[1] ?? Number.NaN);
}

async function answers(port: number): Promise<void> {
  for (let attempt = 0; attempt < PATIENCE; attempt++) {
    if (spawnSync('bash', ['-c', `: </dev/tcp/127.0.0.1/${port}`]).status === 0) return;
    await sleep(100);
  }
  throw new Error(`nothing listens on port ${port}`);
}

async function main(): Promise<void> {
  const rounds = Number(process.argv[2] ?? 5);
  const wanted = process.argv.slice(3);
  rmSync(SCRATCH, { recursive: true, force: true });
  mkdirSync(SCRATCH, { recursive: true });
  const rootfs = makeRootfs(DIRECTORY, PACKAGES);
  const runtimes = findRuntimes().filter(({ name }) => name !== 'crun');
  const loads = LOADS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const samples = new Samples();
  const { kind, cpus, cpu } = readMachine();
  process.stdout.write(`${kind} machine, ${cpus} x ${cpu}\n`);
  let port = 20_000 + (process.pid % 10_000);
  for (const { name, server, client, rate } of loads) {
    const started: { runtime: Runtime; id: string; port: number }[] = [];
    try {
      for (const runtime of runtimes) {
        const id = `bench-${process.pid}-${port}`;
        const directory = bundle(
          `${name.replaceAll(' ', '-')}-${runtime.name}`,
          rootfs,
          server(port),
        );
        started.push({ runtime, id, port });
        call(runtime, 'run', '--detach', '--bundle', directory, id);
        await answers(port++);
      }
      for (let round = 0; round < rounds; round++) {
        for (const { runtime, port: its } of started) {
          samples.add(name, runtime.name, load(rootfs, client(its), rate));
        }
      }
    } finally {
      for (const { runtime, id } of started) call(runtime, 'delete', '--force', id);
    }
    const medians = runtimes.map((runtime) => percentile(samples.get(name, runtime.name), 0.5));
    const [ours = Number.NaN, theirs = Number.NaN] = medians;
    const rates = medians.map((median) => median.toFixed(0).padStart(10)).join('');
    process.stdout.write(`${name.padEnd(20)}${rates} requests/s  ${(ours / theirs).toFixed(2)}\n`);
  }
}

await main();
