/** podman(1) with its own storage, network configuration and containers.conf(5). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeGroups } from '../groups.ts';
import { makeImage } from '../image.ts';
import type { Engine } from '../suite.ts';

/** The second one is for infra containers of pods: podman's own is in a registry. */
const IMAGES = { 'localhost/busybox': ['sh'], 'localhost/pause': ['sleep', '1000'] };

export class Podman implements Engine {
  readonly directory = mkdtempSync(join(tmpdir(), 'pinion-podman-'));
  readonly before = 'true';
  readonly after = 'podman pod rm -af -t 0; podman rm -af -t 0; podman volume rm -af';

  /** @param runtime The path of the runtime. */
  constructor(runtime: string) {
    mkdirSync(this.#path('tmp'));
    // Without CAP_SYS_RESOURCE limits can only be lowered, and podman raises them to 2^20.
    const containers = `
      [containers]
      default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
      cgroupns = "private"
      log_driver = "k8s-file"
      [engine]
      cgroup_manager = "cgroupfs"
      events_logger = "file"
      infra_image = "localhost/pause"
      runtime = "tested"
      runtime_supports_json = ["tested"]
      tmp_dir = "${this.#path('tmp')}"
      volume_path = "${this.#path('volumes')}"
      [engine.runtimes]
      tested = ["${runtime}"]
      [network]
      network_config_dir = "${this.#path('networks')}"
      `;
    const storage = `
      [storage]
      driver = "overlay"
      graphroot = "${this.#path('storage')}"
      runroot = "${this.#path('run')}"
      `;
    writeFileSync(this.#path('containers.conf'), containers);
    writeFileSync(this.#path('storage.conf'), storage);
  }

  #path(name: string): string {
    return join(this.directory, name);
  }

  get env(): NodeJS.ProcessEnv {
    return {
      CONTAINERS_CONF: this.#path('containers.conf'),
      CONTAINERS_STORAGE_CONF: this.#path('storage.conf'),
      HOME: this.directory,
    };
  }

  prepare(): void {
    const archive = makeImage(this.directory);
    for (const [name, command] of Object.entries(IMAGES)) {
      const changes = [`CMD ${JSON.stringify(command)}`, 'ENV PATH=/bin'];
      const options = changes.flatMap((change) => ['--change', change]);
      execFileSync('podman', ['import', '-q', ...options, archive, name], {
        env: { PATH: process.env.PATH, ...this.env },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
    }
  }

  stop(): void {
    rmSync(this.directory, { recursive: true, force: true });
    removeGroups('libpod_parent');
  }
}
