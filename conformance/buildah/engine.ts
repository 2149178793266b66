/** buildah(1) with its own storage and containers.conf(5). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeImage } from '../image.ts';
import type { Engine } from '../suite.ts';

export class Buildah implements Engine {
  readonly directory = mkdtempSync(join(tmpdir(), 'pinion-buildah-'));
  readonly env: NodeJS.ProcessEnv;
  readonly before = 'true';
  readonly after = 'buildah rm --all';

  /** @param runtime The path of the runtime. */
  constructor(runtime: string) {
    const path = (name: string) => join(this.directory, name);
    this.env = {
      BUILDAH_ISOLATION: 'oci',
      BUILDAH_RUNTIME: runtime,
      CONTAINERS_CONF: path('containers.conf'),
      CONTAINERS_STORAGE_CONF: path('storage.conf'),
      HOME: this.directory,
      IMAGE: path('image'),
    };
    const storage = `
      [storage]
      driver = "overlay"
      graphroot = "${path('storage')}"
      runroot = "${path('run')}"
      `;
    writeFileSync(path('storage.conf'), storage);
    // Without CAP_SYS_RESOURCE limits can only be lowered, and buildah raises them to 2^20.
    const containers = `
      [containers]
      default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
      [network]
      network_config_dir = "${path('networks')}"
      `;
    writeFileSync(path('containers.conf'), containers);
  }

  /** The cases build their image from the folder IMAGE. */
  prepare(): void {
    makeImage(this.directory);
  }

  stop(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
