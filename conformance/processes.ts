/** The processes of an engine: its services, its runtime's commands, its containers'. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface EngineProcesses {
  /** By the names of their programs. */
  services: Map<string, number[]>;
  /** All processes in the containers' control groups. */
  contained: number[];
}

/**
 * @param directory The engine's: whoever has it in the command line belongs to the engine.
 * @param parent What the path of its containers' control groups has.
 */
export function engineProcesses(directory: string, parent: string): EngineProcesses {
  const services = new Map<string, number[]>();
  const contained: number[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const of = (name: string) => read(join('/proc', pid, name));
    if (of('cgroup').includes(`/${parent}/`)) {
      contained.push(Number(pid));
    } else if (of('cmdline').includes(directory)) {
      const name = of('comm').trim();
      services.set(name, [...(services.get(name) ?? []), Number(pid)]);
    }
  }
  return { services, contained };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended.
    return '';
  }
}
