/**
 * Runs shell scripts that use crictl(1), as the kubelet uses its runtime service: of a containerd with Pinion
 * below the shim, and of one with runc; compares what they print and how they end: `main.ts [CASE...]`. CRICTL
 * names the program: cri-tools 1.26 suits Debian 12's containerd and builds with its Go from a checkout
 * (`go build ./cmd/crictl`). CRITEST names the conformance tests of the same, `go test -c ./cmd/critest`, for the
 * case critest.
 */
import { existsSync } from 'node:fs';
import { runSuite } from '../suite.ts';
import { Cri } from './engine.ts';

const crictl = process.env.CRICTL ?? '/usr/local/bin/crictl';

if (existsSync(crictl)) {
  await runSuite(import.meta.dirname, (runtime) => new Cri(runtime, crictl));
} else {
  process.stderr.write(`conformance: no ${crictl}: CRICTL must name crictl of cri-tools\n`);
  process.exitCode = 2;
}
