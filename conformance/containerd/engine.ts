/** A private containerd(8) for each case, with its own root, state and sockets. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeImage } from '../image.ts';
import type { Engine } from '../suite.ts';

/** Also what the kubelet's pods pause with: its own image for that is in a registry. */
export const IMAGE = 'docker.io/library/busybox:latest';

/** `run [OPTION...] ID COMMAND...`, with the runtime that is tested. */
const FUNCTIONS = `
  run() {
    options=
    while case $1 in -*) true ;; *) false ;; esac; do options="$options $1"; shift; done
    ctr run --runtime io.containerd.runc.v2 --runc-binary "$RUNTIME" $options "$IMAGE" "$@"
  }
  `;

export class Containerd implements Engine {
  readonly directory = mkdtempSync(join(tmpdir(), 'pinion-containerd-'));
  readonly env: NodeJS.ProcessEnv;
  readonly before = `
    mount -t tmpfs tmpfs /run
    PATH=$DIRECTORY/bin:$PATH containerd --config "$DIRECTORY/config.toml" >>"$DIRECTORY/log" 2>&1 &
    for i in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
    ctr images import "$DIRECTORY/busybox.tar"
    ctr --namespace k8s.io images import "$DIRECTORY/busybox.tar"`;
  readonly after = `
    ctr tasks ls -q | xargs -r -n 1 ctr tasks rm -f
    ctr containers ls -q | xargs -r ctr containers rm`;

  /** @param runtime The path of the runtime. */
  constructor(runtime: string) {
    const path = (name: string) => join(this.directory, name);
    this.env = {
      CONTAINERD_ADDRESS: this.socket,
      DIRECTORY: this.directory,
      FUNCTIONS: path('functions'),
      IMAGE,
      RUNTIME: runtime,
    };
    const configuration = `
      version = 2
      root = "${path('root')}"
      state = "${path('state')}"
      [grpc]
      address = "${this.socket}"
      [ttrpc]
      address = "${path('socket.ttrpc')}"
      ${this.plugins(runtime)}`;
    writeFileSync(path('config.toml'), configuration);
    writeFileSync(path('functions'), FUNCTIONS);
    // What \`ctr containers create\` uses: it has no option for it.
    mkdirSync(path('bin'));
    symlinkSync(runtime, path('bin/runc'));
  }

  get socket(): string {
    return join(this.directory, 'socket');
  }

  /** What config.toml says of plugins: here that the one for the kubelet finds no network. */
  protected plugins(_runtime: string): string {
    return '';
  }

  /** Packs the image as docker-save(1) does. */
  prepare(): void {
    const folder = join(this.directory, 'archive');
    mkdirSync(folder);
    const layer = readFileSync(makeImage(this.directory));
    const digest = createHash('sha256').update(layer).digest('hex');
    const config = {
      architecture: 'amd64',
      os: 'linux',
      config: { Cmd: ['sleep', '1000'], Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    };
    const manifest = [{ Config: 'config.json', RepoTags: [IMAGE], Layers: ['layer.tar'] }];
    writeFileSync(join(folder, 'layer.tar'), layer);
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
    execFileSync('tar', ['-C', folder, '-cf', join(this.directory, 'busybox.tar'), '.']);
  }

  stop(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
