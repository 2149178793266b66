/**
 * A user of its own for podman(1) and buildah(1): its lines of passwd(5), group(5) and subuid(5) and its device nodes
 * stand over the machine's in the cases' mount namespace only.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PINION } from '../compare.ts';
import { makeImage } from '../image.ts';
import type { Engine } from '../suite.ts';

const PROJECT = join(import.meta.dirname, '../..');
const ID = 4242;

const BEFORE = `
  over() { mount --bind "$DIRECTORY/$1" "$2"; }
  mount -t tmpfs tmpfs /run
  mount --make-rshared /
  { cat /etc/passwd; echo "$RUNNER:x:$ID:$ID::$DIRECTORY/home:/bin/sh"; } >"$DIRECTORY/passwd"
  { cat /etc/group; echo "$RUNNER:x:$ID:"; } >"$DIRECTORY/group"
  echo "$RUNNER:200000:65536" >"$DIRECTORY/subid"
  for pair in kvm:232:/dev/kvm fuse:229:/dev/fuse tun:200:/dev/net/tun; do
    IFS=: read -r name minor path <<END
$pair
END
    rm -f "$DIRECTORY/$name"
    mknod -m 666 "$DIRECTORY/$name" c 10 "$minor"
    over "$name" "$path"
  done
  over passwd /etc/passwd; over group /etc/group
  over subid /etc/subuid; over subid /etc/subgid
  # The project may lie where only its owner comes.
  mkdir -p "$DIRECTORY/project"
  mount --rbind "$PROJECT" "$DIRECTORY/project"
  chown -R "$ID:$ID" "$SCRATCH" "$DIRECTORY/home"`;

export class Rootless implements Engine {
  readonly directory = mkdtempSync(join(tmpdir(), 'pinion-rootless-'));
  readonly env: NodeJS.ProcessEnv;
  readonly before = BEFORE;
  readonly after = 'true';
  readonly as = ['setpriv', '--reuid', String(ID), '--regid', String(ID), '--init-groups'];

  /** @param runtime The path of the runtime. */
  constructor(runtime: string) {
    chmodSync(this.directory, 0o755);
    const home = join(this.directory, 'home');
    mkdirSync(join(home, 'run'), { recursive: true, mode: 0o700 });
    const seen = runtime === PINION ? join(this.directory, 'project/bin/pinion') : runtime;
    // Without CAP_SYS_RESOURCE limits can only be lowered, and the engines raise them to 2^20.
    const containers = `
      [containers]
      default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
      log_driver = "k8s-file"
      [engine]
      cgroup_manager = "cgroupfs"
      events_logger = "file"
      runtime = "tested"
      runtime_supports_json = ["tested"]
      [engine.runtimes]
      tested = ["${seen}"]
      `;
    writeFileSync(join(home, 'containers.conf'), containers);
    this.env = {
      BUILDAH_ISOLATION: 'rootless',
      BUILDAH_RUNTIME: seen,
      CONTAINERS_CONF: join(home, 'containers.conf'),
      DIRECTORY: this.directory,
      HOME: home,
      ID: String(ID),
      IMAGE: join(this.directory, 'image'),
      PROJECT,
      RUNNER: 'rootless',
      USER: 'rootless',
      XDG_RUNTIME_DIR: join(home, 'run'),
    };
  }

  prepare(): void {
    makeImage(this.directory);
  }

  stop(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
