/**
 * Runs shell scripts that use buildah(1), once with Pinion as its runtime and once with runc, and compares what
 * they print and how they end: `main.ts [CASE...]`.
 */
import { runSuite } from '../suite.ts';
import { Buildah } from './engine.ts';

await runSuite(import.meta.dirname, (runtime) => new Buildah(runtime));
