/**
 * Runs shell scripts that use ctr(8), with the shim of runc and Pinion as its runtime, and then with
 * runc, and compares what they print and how they end: `main.ts [CASE...]`. In them `run` is
 * `ctr run` with that runtime.
 */
import { runSuite } from '../suite.ts';
import { Containerd } from './engine.ts';

await runSuite(import.meta.dirname, (runtime) => new Containerd(runtime));
