/**
 * Runs shell scripts that use podman(1) and buildah(1) as an ordinary user, once with Pinion as their runtime and
 * once with runc, and compares what they print and how they end: `main.ts [CASE...]`.
 */
import { runSuite } from '../suite.ts';
import { Rootless } from './engine.ts';

await runSuite(import.meta.dirname, (runtime) => new Rootless(runtime));
