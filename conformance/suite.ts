/** Compares an engine's cases under Pinion and under runc: each has an engine of its own. */
import { join } from 'node:path';
import { readCases } from './cases.ts';
import { choose, compareAll, PINION, RUNC } from './compare.ts';
import { runScript, type Setting } from './scripts.ts';

export interface Engine extends Setting {
  /** Makes what all cases use. */
  prepare(): void;
  /** Removes all. */
  stop(): void;
}

/** @param directory The suite's folder, with its cases. */
export async function runSuite(
  directory: string,
  engineOf: (runtime: string) => Engine,
): Promise<void> {
  const directoryOfCases = join(directory, 'cases');
  const cases = choose(readCases(directoryOfCases));
  const engines = new Map([PINION, RUNC].map((runtime) => [runtime, engineOf(runtime)]));
  try {
    for (const engine of engines.values()) engine.prepare();
    await compareAll(cases, (runtime, one) => {
      const engine = engines.get(runtime);
      if (engine === undefined) throw new Error(`no engine for ${runtime}`);
      return runScript(directoryOfCases, one, engine);
    });
  } finally {
    for (const engine of engines.values()) engine.stop();
  }
}
