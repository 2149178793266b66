/** A private dockerd(8) with its own folders, socket and network namespace. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeGroups } from '../groups.ts';
import { engineProcesses } from '../processes.ts';

const PATIENCE = 30_000;

/**
 * Inside a network namespace of its own dockerd may have its bridge and its rules; its mounts are shared as a host's. When it ends it begins again, after
 * its containerd has died too.
 */
const SERVICE = `
  ip link set lo up && mount --make-rshared / || exit
  trap 'kill -TERM $daemon; wait $daemon; exit' TERM
  while :; do
    dockerd --config-file "$0" & daemon=$!
    wait $daemon
    sleep 0.2
    while grep -qs containerd "/proc/$(cat "$1/containerd/containerd.pid")/comm"; do sleep 0.1; done
  done`;

export class Engine {
  /** With its configuration `daemon.json` and its process id in `pid`. */
  readonly directory = mkdtempSync(join(tmpdir(), 'pinion-docker-'));
  readonly #daemon: ChildProcess;

  /** @param runtime The path of the runtime that its containers and its builder use. */
  constructor(runtime: string) {
    const path = (name: string) => join(this.directory, name);
    writeFileSync(path('daemon.json'), JSON.stringify(this.#configuration(path, runtime)));
    const log = openSync(path('log'), 'a');
    const args = ['--net', '--mount', 'sh', '-c', SERVICE, path('daemon.json'), path('exec')];
    this.#daemon = spawn('unshare', args, { stdio: ['ignore', log, log] });
  }

  #configuration(path: (name: string) => string, runtime: string): object {
    return {
      'data-root': path('data'),
      'exec-root': path('exec'),
      pidfile: path('pid'),
      hosts: [this.socket],
      'storage-driver': 'overlay2',
      'exec-opts': ['native.cgroupdriver=cgroupfs'],
      'cgroup-parent': `/${this.parent}`,
      'live-restore': false,
      'default-runtime': 'tested',
      runtimes: { tested: { path: runtime } },
    };
  }

  /** What its containers' control groups are below. */
  get parent(): string {
    return basename(this.directory);
  }

  get socket(): string {
    return `unix://${join(this.directory, 'socket')}`;
  }

  /** A folder for the cases' files. */
  get scratch(): string {
    const path = join(this.directory, 'scratch');
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Waits until it answers, and gives it an image: Debian's static busybox. */
  async prepare(): Promise<void> {
    const end = Date.now() + PATIENCE;
    while (!this.#answers()) {
      if (this.#daemon.exitCode !== null || Date.now() > end) {
        const log = readFileSync(join(this.directory, 'log'), 'utf8');
        throw new Error(`dockerd does not answer: ${log.trim().split('\n').at(-1)}`);
      }
      await sleep(200);
    }
    const script = `
      cd "$0" && mkdir -p image/bin image/etc image/tmp image/root image/var image/www &&
      cp /bin/busybox image/bin && busybox --list | while read -r name; do
        [ "$name" = busybox ] || ln -s busybox "image/bin/$name"; done
      echo root:x:0:0:root:/root:/bin/sh >image/etc/passwd && echo root:x:0: >image/etc/group
      echo user:x:1000:1000::/tmp:/bin/sh >>image/etc/passwd && echo user:x:1000: >>image/etc/group
      tar -C image -c . | docker import --change 'CMD ["sh"]' --change 'ENV PATH=/bin' - busybox`;
    execFileSync('sh', ['-ec', script, this.scratch], {
      env: { PATH: process.env.PATH, DOCKER_HOST: this.socket },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  #answers(): boolean {
    try {
      execFileSync('docker', ['--host', this.socket, 'version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#daemon.once('exit', resolve));
    if (this.#daemon.exitCode === null) {
      this.#daemon.kill('SIGTERM');
      await ended;
    }
    // A daemon that was killed may have lost some.
    const { services, contained } = engineProcesses(this.directory, this.parent);
    for (const pid of [...services.values(), contained].flat()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
    removeGroups(this.parent);
  }
}
