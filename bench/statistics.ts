/** The value below which the share p (0 to 1) of the samples lies: nearest rank. */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

/** Adds a sample to a list under two keys. */
export class Samples {
  readonly #lists = new Map<string, Map<string, number[]>>();

  add(measure: string, runtime: string, value: number): void {
    const runtimes = this.#lists.get(measure) ?? new Map<string, number[]>();
    this.#lists.set(measure, runtimes);
    runtimes.set(runtime, [...(runtimes.get(runtime) ?? []), value]);
  }

  get(measure: string, runtime: string): readonly number[] {
    return this.#lists.get(measure)?.get(runtime) ?? [];
  }

  toJSON(): Record<string, Record<string, number[]>> {
    return Object.fromEntries(
      [...this.#lists].map(([measure, runtimes]) => [measure, Object.fromEntries(runtimes)]),
    );
  }
}
