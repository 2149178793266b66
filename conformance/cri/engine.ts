/** A private containerd(8) that serves the kubelet's interface, with a network by CNI. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Containerd, IMAGE } from '../containerd/engine.ts';
import { removeGroups } from '../groups.ts';

const NETWORK = {
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.0.0/24' }]], dataDir: '/run/cni' },
    },
  ],
};

export class Cri extends Containerd {
  /** @param crictl The path of crictl(1). */
  constructor(runtime: string, crictl: string) {
    super(runtime);
    const networks = join(this.directory, 'networks');
    mkdirSync(networks);
    writeFileSync(join(networks, 'pods.conflist'), JSON.stringify(NETWORK));
    const endpoint = `unix://${this.socket}`;
    Object.assign(this.env, {
      CONTAINER_RUNTIME_ENDPOINT: endpoint,
      CRICTL: crictl,
      CRITEST: process.env.CRITEST ?? '',
      IMAGE_SERVICE_ENDPOINT: endpoint,
    });
  }

  protected override plugins(runtime: string): string {
    const plugin = 'plugins."io.containerd.grpc.v1.cri"';
    // A negative score of the OOM killer needs CAP_SYS_RESOURCE.
    return `
      [${plugin}]
      sandbox_image = "${IMAGE}"
      restrict_oom_score_adj = true
      disable_apparmor = true
      [${plugin}.cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "${join(this.directory, 'networks')}"
      [${plugin}.containerd]
      default_runtime_name = "tested"
      [${plugin}.containerd.runtimes.tested]
      runtime_type = "io.containerd.runc.v2"
      [${plugin}.containerd.runtimes.tested.options]
      BinaryName = "${runtime}"
      `;
  }

  override stop(): void {
    super.stop();
    removeGroups('pinion-cri');
  }
}
